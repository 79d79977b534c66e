// Answers one call and exits at once: who stands in line is handed an instance that is ending, and has to come to another one.
package main

import (
	"bytes"
	"io"
	"log"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", os.Getenv("RUNTIME_API_ADDR"))
	if err != nil {
		log.Fatal(err)
	}
	connection, err := listener.Accept()
	if err != nil {
		log.Fatal(err)
	}
	read := func() {
		if _, err := connection.Read(make([]byte, 64<<10)); err != nil {
			os.Exit(1)
		}
	}
	read()
	io.WriteString(connection, "HTTP/1.0 200 Connected to Go RPC\n\n")
	read()
	connection.Write(answer(1))
	os.Exit(0)
}

// answer is a whole answer to a call of this number below 128, as gob writes it.
func answer(call byte) []byte {
	header := append([]byte("\xff\x82\x01\x0fFunction.Invoke\x01"), call, 0)
	return bytes.Join([][]byte{
		[]byte("\x3a\xff\x81\x03\x01\x01\x08Response\x01\xff\x82\x00\x01\x03\x01\x0dServiceMethod\x01\x0c\x00" +
			"\x01\x03Seq\x01\x06\x00\x01\x05Error\x01\x0c\x00\x00\x00"),
		{byte(len(header))}, header,
		[]byte("\x37\xff\x83\x03\x01\x01\x0eInvokeResponse\x01\xff\x84\x00\x01\x02\x01\x0aStatusCode\x01\x04\x00" +
			"\x01\x07Payload\x01\x0a\x00\x00\x00"),
		[]byte("\x0a\xff\x84\x01\xfe\x01\x90\x01\x01x\x00"),
	}, nil)
}
