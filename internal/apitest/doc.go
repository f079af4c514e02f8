// Package apitest has what the tests of several packages need of an API server: one that is
// faked, and an object of every kind that a real one has.
package apitest
