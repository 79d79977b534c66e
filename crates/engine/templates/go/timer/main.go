// Runs each time its timer fires. What the timer carries is a text, even where it holds JSON.
package main

import (
	"encoding/json"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

type event struct {
	Time    string `json:"time"`
	Trigger string `json:"trigger_name"`
	Text    string `json:"user_event"`
}

func handle(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	var given event
	if err := json.Unmarshal(payload, &given); err != nil {
		return "", err
	}
	ctx.GetLogger().Logf("fired at %s", given.Time)
	return given.Trigger + " did: " + given.Text, nil
}

func main() {
	runtime.Register(handle)
}
