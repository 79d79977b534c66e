// The function that is measured: fungraph runs this very program, and the bare limit calls it.
package main

import (
	"encoding/json"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

func handler(payload []byte, _ context.RuntimeContext) (interface{}, error) {
	event := map[string]interface{}{}
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	name, named := event["name"].(string)
	if !named {
		name = "nobody"
	}
	return map[string]interface{}{"message": "hello " + name, "length": len(event)}, nil
}

func main() {
	runtime.Register(handler)
}
