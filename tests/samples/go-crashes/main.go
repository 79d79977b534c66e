// Ends in the way the event asks for; an instance that is gone is replaced.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

func end(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	switch string(payload) {
	case `"exit"`:
		fmt.Println("leaving with 3")
		os.Exit(3)
	case `"goroutine"`:
		go func() { panic("nobody recovers this") }()
		time.Sleep(time.Hour)
	case `"signal"`:
		syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
		time.Sleep(time.Hour)
	case `"forever"`:
		fmt.Println("sleeping")
		time.Sleep(time.Hour)
	case `"memory"`:
		block := make([]byte, 512<<20)
		for i := range block {
			block[i] = byte(i)
		}
		return len(block), nil
	}
	return "still here", nil
}

func main() {
	runtime.Register(end)
}
