// Answers only once three calls are there, so they must have been in one instance at the same time.
package main

import (
	"os"
	"sync"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

var together sync.WaitGroup

func meet(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	ctx.GetLogger().Logf("I am %s", payload)
	together.Done()
	together.Wait()
	ctx.GetLogger().Logf("%s has met the others", payload)
	return map[string]interface{}{"request": ctx.GetRequestID(), "event": string(payload), "process": os.Getpid()}, nil
}

func main() {
	together.Add(3)
	runtime.Register(meet)
}
