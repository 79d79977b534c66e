module answer

go 1.18
