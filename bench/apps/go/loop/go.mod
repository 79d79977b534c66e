module loop

go 1.19

require answer v0.0.0

replace answer => ../answer
