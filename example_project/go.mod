module example.com/kvstats

go 1.21
