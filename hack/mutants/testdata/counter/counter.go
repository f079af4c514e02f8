// Package counter is there to have mutants.
package counter

// Count counts to n.
func Count(n int) int {
	sum := 0
	for range n {
		sum++
	}
	return sum
}
