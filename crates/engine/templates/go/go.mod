module function

go 1.18

// The library comes from the site of the service; a line `replace` says where its folder is.
require huaweicloud.com/go-runtime v0.0.0
