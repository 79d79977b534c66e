package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"huaweicloud.com/go-runtime/go-api/context"
)

// InvokeRequest and its kin are what crosses the wire; their names and fields are part of the contract.
type InvokeRequest struct {
	Payload []byte
	Header  http.Header
}

// InvokeResponse answers InvokeRequest.
type InvokeResponse struct {
	StatusCode int
	Payload    []byte
}

// HealthCheckRequest has nothing in it.
type HealthCheckRequest struct{}

// HealthCheckResponse has nothing in it.
type HealthCheckResponse struct{}

// Function is the service that net/rpc shows, so its name is part of the contract.
type Function struct {
	handler  Handler
	settings settings
}

// failure is the error object.
type failure struct {
	Message string   `json:"errorMessage"`
	Type    string   `json:"errorType,omitempty"`
	Stack   []string `json:"stackTrace,omitempty"`
}

// HealthCheck answers that the process is there.
func (*Function) HealthCheck(*HealthCheckRequest, *HealthCheckResponse) error {
	return nil
}

// Invoke runs the function once.
func (f *Function) Invoke(request *InvokeRequest, response *InvokeResponse) (err error) {
	if request.Payload == nil {
		return errors.New("bad request parameters")
	}
	ctx := newCall(request.Header, f.settings)
	defer func() {
		if cause := recover(); cause != nil {
			err = panicked(cause, ctx)
		}
	}()
	body, err := f.run(request.Payload, ctx)
	if err != nil {
		ctx.Logf("%s", err)
		return asError(failure{Message: err.Error(), Type: "FunctionReturnError"})
	}
	if request.Header.Get("X-CFF-Invoke-Type") == "async" {
		body = nil
	}
	if most := f.settings.mostResult; most > 0 && len(body) > most {
		message := fmt.Sprintf("the result has %d bytes, more than %d", len(body), most)
		ctx.Logf("%s", message)
		return asError(failure{Message: message, Type: "FunctionResponseTooLarge"})
	}
	response.StatusCode, response.Payload = http.StatusOK, body
	return nil
}

func (f *Function) run(payload []byte, ctx context.RuntimeContext) ([]byte, error) {
	result, err := f.handler(payload, ctx)
	switch value := result.(type) {
	case nil:
		// So the library does, also where there is an error beside it.
		return nil, errors.New("response is empty")
	case string:
		return []byte(value), err
	case []byte:
		return value, err
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

func asError(object failure) error {
	text, err := json.MarshalIndent(object, "", "    ")
	if err != nil {
		return err
	}
	return errors.New(string(text))
}
