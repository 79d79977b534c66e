// Package answer is what the measured function does, with fungraph around it and without.
package answer

import "encoding/json"

// To gives what an event is answered with.
func To(payload []byte) (interface{}, error) {
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
