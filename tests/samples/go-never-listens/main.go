// Does a lot, and never gets to serving.
package main

import (
	"fmt"
	"time"
)

func main() {
	fmt.Println("loading a model")
	time.Sleep(time.Hour)
}
