// Package context says what a function can ask of its call: the Go method names of runtimes.md, section 6.
package context

// RuntimeLogger writes one line to the function's log.
type RuntimeLogger interface {
	Logf(format string, args ...interface{})
}

// RuntimeContext is handed to the function with each event.
type RuntimeContext interface {
	GetRequestID() string
	GetRemainingTimeInMilliSeconds() int
	GetRunningTimeInSeconds() int
	GetAccessKey() string
	GetSecretKey() string
	GetSecurityAccessKey() string
	GetSecuritySecretKey() string
	GetSecurityToken() string
	GetToken() string
	GetUserData(key string) string
	GetFunctionName() string
	GetVersion() string
	GetPackage() string
	GetProjectID() string
	GetAlias() string
	GetMemorySize() int
	GetCPUNumber() int
	GetLogger() RuntimeLogger
}
