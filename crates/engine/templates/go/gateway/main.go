// Answers an HTTP request that a gateway trigger hands on.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

type request struct {
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	Query           map[string]string `json:"queryStringParameters"`
}

type answer struct {
	StatusCode      int               `json:"statusCode"`
	Headers         map[string]string `json:"headers"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	Body            string            `json:"body"`
}

func handle(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	var given request
	if err := json.Unmarshal(payload, &given); err != nil {
		return "", err
	}
	body := []byte(given.Body)
	if given.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(given.Body)
		if err != nil {
			return "", err
		}
		body = decoded
	}
	name := given.Query["name"]
	if name == "" {
		name = "world"
	}
	return answer{
		StatusCode: 200,
		Headers:    map[string]string{"Content-Type": "text/plain"},
		Body:       fmt.Sprintf("Hello, %s! You sent %d characters.", name, utf8.RuneCount(body)),
	}, nil
}

func main() {
	runtime.Register(handle)
}
