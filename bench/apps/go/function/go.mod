module function

go 1.18

require (
	answer v0.0.0
	huaweicloud.com/go-runtime v0.0.0
)

replace (
	answer => ../answer
	huaweicloud.com/go-runtime => ../../../../runtimes/go
)
