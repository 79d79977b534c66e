// Has a fault in its configuration, and says so before it serves anything.
package main

import (
	"log"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

func never(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	return "never", nil
}

func main() {
	log.Fatal("DATABASE_URL is missing")
	runtime.Register(never)
}
