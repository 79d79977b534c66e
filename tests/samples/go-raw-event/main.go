// Tells length and sum of whatever bytes it was given, and how large the event it sees is.
package main

import (
	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

func measure(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	sum := 0
	for _, b := range payload {
		sum += int(b)
	}
	return map[string]int{"length": len(payload), "sum": sum}, nil
}

func main() {
	runtime.Register(measure)
}
