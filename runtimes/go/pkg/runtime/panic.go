package runtime

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// mostFrames is how many frames of a stack are told.
const mostFrames = 32

// panicked is told of a function that panicked; the stack goes to the log as well.
func panicked(cause interface{}, ctx *call) error {
	ctx.Logf("invoke function failed, panic: %v", cause)
	stack := stackTrace()
	if len(stack) > 0 {
		fmt.Println(strings.Join(stack, "\n"))
	}
	return asError(failure{Message: fmt.Sprint(cause), Type: "panic", Stack: stack})
}

// stackTrace gives two lines for each frame of the function's own.
func stackTrace() []string {
	programs := make([]uintptr, 4*mostFrames)
	frames := runtime.CallersFrames(programs[:runtime.Callers(2, programs)])
	var lines []string
	for more := true; more && len(lines) < 2*mostFrames; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if strings.HasPrefix(frame.Function, "main.") {
			name := frame.Function[strings.Index(frame.Function, ".")+1:]
			lines = append(lines, name+"()", fmt.Sprintf("    %s:%d", filepath.Base(frame.File), frame.Line))
		}
	}
	return lines
}
