package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one error in a scenario, with its remedy.
type Problem struct {
	File      string // empty when the scenario was not read from a file
	Line, Col int    // from 1; 0 when the problem is not at a place of the file
	Message   string
}

func (p Problem) String() string {
	switch {
	case p.File == "":
		return p.Message
	case p.Line == 0:
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Col, p.Message)
}

// problem is a problem at that place of a scenario, or of a file that it includes.
func (p place) problem(scenario, message string) Problem {
	return Problem{File: cmp.Or(p.file, scenario), Line: p.line, Col: p.col, Message: message}
}

// Problems are all errors of a scenario, in the order of their places.
type Problems []Problem

// Error prints one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds the printed problems: a file of another kind would otherwise give one problem per line.
const maxProblems = 100

// tidy sorts the problems, and drops repetitions and those beyond the bound.
func (ps Problems) tidy(file string) Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		switch { // the scenario's own come first
		case a.File != b.File && a.File == file:
			return -1
		case a.File != b.File && b.File == file:
			return 1
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	ps = slices.Compact(ps)
	if more := len(ps) - maxProblems; more > 0 {
		last := ps[maxProblems]
		ps = append(ps[:maxProblems], Problem{File: file, Line: last.Line, Col: last.Col,
			Message: fmt.Sprintf("and %d more problems from here on", more)})
	}
	return ps
}

// quote prints text from the file in a message, one line of bounded length.
func quote(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most-3]) + "..."
	}
	return fmt.Sprintf("%q", s)
}

// otherWords are words of other tools and of daily use, with those that stand for them here.
var otherWords = map[string]string{
	"rabbitmq": "amqp", "rabbit": "amqp", "http": "rest", "https": "rest", "url": "request", "method": "request", "uri": "request",
	"rps": "rate", "qps": "rate", "vus": "users", "thresholds": "expect", "gates": "expect", "assertions": "expect", "streams": "traffic",
	"chaos": "faults", "delay": "latency", "stress": "cpu", "warm_up": "warmup", "retries": "retry",
}

// choices lists the words allowed in place of word, the nearest spelling first.
func choices(word string, allowed []string) string {
	if len(allowed) == 0 {
		return "nothing is allowed here"
	}
	list := slices.Compact(slices.Sorted(slices.Values(allowed)))
	text := "allowed: " + strings.Join(list, ", ")
	if other, known := otherWords[strings.ToLower(word)]; known && slices.Contains(list, other) {
		return "write " + quote(other) + "; " + text
	}
	if near := nearest(word, list); near != "" {
		return "did you mean " + quote(near) + "? " + text
	}
	return text
}

// nearestFew are the allowed words near word, the nearest first.
func nearestFew(word string, allowed []string) []string {
	const most = 4
	near := func(a string) int { return distance(strings.ToLower(word), a) }
	var few []string
	if best := nearest(word, slices.Sorted(slices.Values(allowed))); best != "" {
		few = append(few, best)
		for _, a := range allowed {
			if a != best && near(a) <= near(best)+1 {
				few = append(few, a)
			}
		}
	}
	slices.SortStableFunc(few, func(a, b string) int { return near(a) - near(b) })
	few = slices.Compact(few)
	return few[:min(len(few), most)]
}

// nearest is the allowed word nearest to word, or "" when none is near.
func nearest(word string, allowed []string) string {
	const longest = 64 // a longer word is no typing error
	if len(word) > longest {
		return ""
	}
	best, least := "", 1+max(1, len(word)/3)
	for _, a := range allowed {
		if d := distance(strings.ToLower(word), a); d < least && d < len(a) {
			best, least = a, d
		}
	}
	return best
}

// distance counts the insertions, deletions, substitutions and swaps of neighbours that turn a into b (the optimal
// string alignment distance).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
