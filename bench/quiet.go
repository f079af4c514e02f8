package main

import "github.com/go-logr/logr/funcr"

// quiet is a logger of nothing: what informers have to say would be among the results.
var quiet = funcr.New(func(_, _ string) {}, funcr.Options{})
