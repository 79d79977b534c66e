// The bare limit: frames of a length and JSON on descriptor 0, one at a time, nothing else.
package main

import (
	"answer"
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
)

func main() {
	link := bufio.NewReaderSize(os.Stdin, 65536)
	head := make([]byte, 4)
	for {
		if _, err := io.ReadFull(link, head); err != nil {
			return
		}
		payload := make([]byte, binary.LittleEndian.Uint32(head))
		if _, err := io.ReadFull(link, payload); err != nil {
			return
		}
		result, err := answer.To(payload)
		if err != nil {
			panic(err)
		}
		body, err := json.Marshal(result)
		if err != nil {
			panic(err)
		}
		frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
		// Standard output is a pipe or nothing; the socket takes writes as well.
		if _, err := os.Stdin.Write(append(frame, body...)); err != nil {
			panic(err)
		}
	}
}
