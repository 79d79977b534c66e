// Returns what the event names, in each form that a result can have.
package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

const limit = 6 << 20

func answer(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	switch string(payload) {
	case `"bytes"`:
		return []byte{0xff, 0x00, 0xfe}, nil
	case `"json text"`:
		return `{"a": 1}`, nil
	case `"html"`:
		return map[string]string{"tag": "<b>&</b>"}, nil
	case `"empty"`:
		return "", nil
	case `"number"`:
		return 7, nil
	case `"limit"`:
		return bytes.Repeat([]byte("x"), limit), nil
	case `"beyond"`:
		return strings.Repeat("x", limit+1), nil
	}
	return json.RawMessage(payload), nil
}

func main() {
	runtime.Register(answer)
}
