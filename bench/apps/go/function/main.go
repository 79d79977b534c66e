// The function that is measured, as fungraph runs it.
package main

import (
	"answer"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

func handler(payload []byte, _ context.RuntimeContext) (interface{}, error) {
	return answer.To(payload)
}

func main() {
	runtime.Register(handler)
}
