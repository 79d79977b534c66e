// Package runtime stands in for the service's Go library, for templates and in the tests: it is our own, knows the standard library only, and
// speaks on the wire what the contract says of the real one (runtimes.md, section 8.4).
package runtime

import (
	"log"
	"net/http"
	"net/rpc"
	"os"

	"huaweicloud.com/go-runtime/go-api/context"
)

// Handler is what a function is.
type Handler func(payload []byte, ctx context.RuntimeContext) (interface{}, error)

// Register serves the function until the process is ended.
func Register(handler Handler) {
	if err := rpc.Register(&Function{handler: handler, settings: readSettings()}); err != nil {
		log.Fatal(err)
	}
	rpc.HandleHTTP()
	log.Fatal(http.ListenAndServe(os.Getenv("RUNTIME_API_ADDR"), nil))
}
