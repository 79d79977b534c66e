// Counts its calls; an initializer that is configured changes nothing.
package main

import (
	"fmt"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

var calls int

func count(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	calls++
	fmt.Println("call", calls)
	return calls, nil
}

func main() {
	fmt.Println("main has run")
	runtime.Register(count)
}
