module function

go 1.18

require huaweicloud.com/go-runtime v0.0.0

replace huaweicloud.com/go-runtime => ../../../../runtimes/go
