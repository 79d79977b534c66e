// Says hello to whoever the event names.
package main

import (
	"encoding/json"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

type event struct {
	Name string `json:"name"`
}

func handle(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	given := event{Name: "world"}
	if err := json.Unmarshal(payload, &given); err != nil {
		return "", err
	}
	ctx.GetLogger().Logf("saying hello to %s", given.Name)
	return "Hello, " + given.Name + "!", nil
}

func main() {
	runtime.Register(handle)
}
