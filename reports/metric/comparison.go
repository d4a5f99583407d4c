package metric

import "strings"

// ComparisonAt is the place of the comparison in a gate's text; -1 without one. What stands in parentheses is an argument:
// link(orders->stock).
func ComparisonAt(expr string) int {
	depth := 0
	for i, c := range expr {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth = max(depth-1, 0)
		case depth == 0 && strings.ContainsRune("<>=!", c):
			return i
		}
	}
	return -1
}
