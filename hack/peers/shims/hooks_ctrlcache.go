//go:build peers

package cache

// LarderCache is what New calls, once it is set.
var LarderCache NewCacheFunc
