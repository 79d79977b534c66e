// Looks for user variables where they are, and where they must not be; and at the folder it runs in.
package main

import (
	"os"

	"huaweicloud.com/go-runtime/go-api/context"
	"huaweicloud.com/go-runtime/pkg/runtime"
)

func look(payload []byte, ctx context.RuntimeContext) (interface{}, error) {
	folder, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	note, err := os.ReadFile("data/note.txt")
	if err != nil {
		return "", err
	}
	_, real := os.LookupEnv("city")
	return map[string]interface{}{
		"city": ctx.GetUserData("city"), "quoted": ctx.GetUserData("quoted"), "none": ctx.GetUserData("none"),
		"real": real, "all": os.Getenv("RUNTIME_USERDATA"), "folder": folder, "note": string(note),
		"handler": os.Getenv("RUNTIME_HANDLER"), "root": os.Getenv("RUNTIME_CODE_ROOT"), "home": os.Getenv("HOME"),
	}, nil
}

func main() {
	runtime.Register(look)
}
