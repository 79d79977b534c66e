// Agrees to speak RPC, and then says what no library would: each is the end of the instance, and of nothing else. One
// call is all it hears, so the next one must come to another instance.
package main

import (
	"bytes"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	// Whoever does not listen is ended all the same.
	signal.Ignore(syscall.SIGTERM)
	listener, err := net.Listen("tcp", os.Getenv("RUNTIME_API_ADDR"))
	if err != nil {
		log.Fatal(err)
	}
	connection, err := listener.Accept()
	if err != nil {
		log.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	said := func() string {
		count, err := connection.Read(buffer)
		if err == io.EOF {
			os.Exit(0)
		}
		return string(buffer[:count])
	}
	if !strings.HasPrefix(said(), "CONNECT /_goRPC_") {
		log.Fatal("no greeting")
	}
	io.WriteString(connection, "HTTP/1.0 200 Connected to Go RPC\n\n")
	switch event := said(); {
	case strings.Contains(event, `"close"`):
		connection.Close()
	case strings.Contains(event, `"garbage"`):
		connection.Write([]byte(strings.Repeat("what is this? ", 20)))
	case strings.Contains(event, `"huge"`):
		// A message of 2^40 bytes is announced.
		connection.Write([]byte{0xfa, 1, 0, 0, 0, 0, 0})
	case strings.Contains(event, `"other"`):
		connection.Write(answer(77))
	case strings.Contains(event, `"twice"`):
		connection.Write(append(answer(1), answer(1)...))
	case strings.Contains(event, `"endless"`):
		// As much as a message may have, and then on and on.
		connection.Write([]byte{0xfd, 0xff, 0xff, 0xff})
		for {
			if _, err := connection.Write(buffer); err != nil {
				break
			}
		}
	case strings.Contains(event, `"half"`):
		connection.Write(answer(1)[:30])
		connection.Close()
	}
	time.Sleep(time.Hour)
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
