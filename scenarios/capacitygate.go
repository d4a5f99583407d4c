package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CapacityGate is a line of `expect` on what `wringer capacity` finds: capacity.STREAM > RATE.
type CapacityGate struct {
	Expr       string // as written
	Stream     string
	Comparison string // > or >=
	Limit      float64
}

// capacityPrefix begins such a line, unless a stream has that name.
const capacityPrefix = "capacity"

const capacityForm = "write capacity.STREAM > RATE, as in capacity.orders > 1500/s, or a number of users for a stream that has users"

// capacityGate reads a line as a gate on capacity; false when it is none.
func (r *reader) capacityGate(n *node, text string, s *Scenario) bool {
	prefix, rest, found := strings.Cut(strings.TrimSpace(text), ".")
	if !found || prefix != capacityPrefix || s.Stream(capacityPrefix) != nil {
		return false
	}
	g, err := s.parseCapacityGate(strings.TrimSpace(text), rest)
	if err != nil {
		r.problem(n, "gate %s: %v", quote(strings.TrimSpace(text)), err)
		return true
	}
	s.Capacity = append(s.Capacity, g)
	return true
}

func (s *Scenario) parseCapacityGate(expr, text string) (CapacityGate, error) {
	g := CapacityGate{Expr: expr}
	i := strings.IndexAny(text, "<>=!")
	if i < 0 {
		return g, fmt.Errorf("there is no comparison; %s", capacityForm)
	}
	value := strings.TrimLeft(text[i:], "<>=!")
	g.Stream, g.Comparison = strings.TrimSpace(text[:i]), text[i:len(text)-len(value)]
	if g.Comparison != ">" && g.Comparison != ">=" {
		return g, fmt.Errorf("%s: a capacity is compared by > or >=; %s", clip(g.Comparison), capacityForm)
	}
	stream := s.Stream(g.Stream)
	if stream == nil || stream.Consume != nil {
		var names []string
		for i := range s.Traffic {
			if s.Traffic[i].Consume == nil {
				names = append(names, s.Traffic[i].Name)
			}
		}
		slices.Sort(names)
		return g, fmt.Errorf("there is no stream %s that sends; %s", quote(g.Stream), choices(g.Stream, names))
	}
	words := strings.Fields(value)
	if len(words) == 0 {
		return g, fmt.Errorf("there is no value after the comparison; %s", capacityForm)
	}
	value, words = cutValue(words)
	if len(words) > 0 {
		return g, fmt.Errorf("a capacity is of the whole run, and takes no scope; %s", capacityForm)
	}
	if stream.Users > 0 {
		users, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return g, fmt.Errorf("stream %s has users: %s is no whole number; %s", g.Stream, quote(value), capacityForm)
		}
		g.Limit = float64(users)
		return g, nil
	}
	var p PerSecond
	err := p.UnmarshalText([]byte(value))
	g.Limit = float64(p)
	return g, err
}
