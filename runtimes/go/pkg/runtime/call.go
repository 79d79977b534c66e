package runtime

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"huaweicloud.com/go-runtime/go-api/context"
)

// settings are what the RUNTIME_ variables say.
type settings struct {
	userData   map[string]string
	timeout    time.Duration
	memory     int
	cpu        int
	mostResult int
}

func readSettings() settings {
	number := func(name string, absent int) int {
		if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return value
		}
		return absent
	}
	read := settings{
		timeout:    time.Duration(number("RUNTIME_TIMEOUT", 3)) * time.Second,
		memory:     number("RUNTIME_MEMORY", 0),
		cpu:        number("RUNTIME_CPU", 0),
		mostResult: number("RUNTIME_MAX_RESP_BODY_SIZE", 0),
	}
	if err := json.Unmarshal([]byte(os.Getenv("RUNTIME_USERDATA")), &read.userData); err != nil {
		fmt.Println("RUNTIME_USERDATA is not a JSON object of strings:", err)
	}
	return read
}

// call is the context of one call.
type call struct {
	settings
	header http.Header
	begun  time.Time
}

func newCall(header http.Header, settings settings) *call {
	return &call{settings: settings, header: header, begun: time.Now()}
}

// Logf writes a line of the log, as the library does: time, request, text.
func (c *call) Logf(format string, args ...interface{}) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	fmt.Printf("%s %s %s\n", now, c.GetRequestID(), fmt.Sprintf(format, args...))
}

func (c *call) GetRemainingTimeInMilliSeconds() int {
	if left := c.timeout - time.Since(c.begun); left > 0 {
		return int(left.Milliseconds())
	}
	return 0
}

func (c *call) GetRunningTimeInSeconds() int     { return int(c.timeout.Seconds()) }
func (c *call) GetRequestID() string             { return c.header.Get("X-CFF-Request-Id") }
func (c *call) GetAccessKey() string             { return c.header.Get("X-CFF-Access-Key") }
func (c *call) GetSecretKey() string             { return c.header.Get("X-CFF-Secret-Key") }
func (c *call) GetSecurityAccessKey() string     { return c.header.Get("X-CFF-Security-Access-Key") }
func (c *call) GetSecuritySecretKey() string     { return c.header.Get("X-CFF-Security-Secret-Key") }
func (c *call) GetSecurityToken() string         { return c.header.Get("X-CFF-Security-Token") }
func (c *call) GetToken() string                 { return c.header.Get("X-CFF-Auth-Token") }
func (c *call) GetUserData(key string) string    { return c.userData[key] }
func (c *call) GetFunctionName() string          { return os.Getenv("RUNTIME_FUNC_NAME") }
func (c *call) GetVersion() string               { return os.Getenv("RUNTIME_FUNC_VERSION") }
func (c *call) GetPackage() string               { return os.Getenv("RUNTIME_PACKAGE") }
func (c *call) GetProjectID() string             { return os.Getenv("RUNTIME_PROJECT_ID") }
func (c *call) GetAlias() string                 { return os.Getenv("RUNTIME_ALIAS") }
func (c *call) GetMemorySize() int               { return c.memory }
func (c *call) GetCPUNumber() int                { return c.cpu }
func (c *call) GetLogger() context.RuntimeLogger { return c }
