package judge

import (
	"testing"

	"wringer/faults"
	"wringer/scenarios"
)

// on is a fault at a place.
type on struct {
	faults.Config
	place faults.Place
}

func (o on) On() faults.Place { return o.place }

// The counters of a fault on a stream's own link count that stream alone; all other faults may have touched every stream.
func TestStreamsThatAFaultCanTouch(t *testing.T) {
	f := &Facts{Scenario: &scenarios.Scenario{Traffic: []scenarios.Stream{{Name: "a"}, {Name: "b"}}, Links: []scenarios.Link{{Name: "db"}}}}
	for name, c := range map[string]struct {
		place faults.Place
		b     bool
	}{
		"the link of a":    {faults.Place{Link: "a"}, false},
		"a peer behind it": {faults.Place{Link: "a/broker-2"}, false},
		"the link of b":    {faults.Place{Link: "b"}, true},
		"an inner link":    {faults.Place{Link: "db"}, true},
		"a part":           {faults.Place{Part: "shop"}, true},
		"a command":        {faults.Place{}, true},
	} {
		if got := f.touched(&scenarios.Fault{Config: on{place: c.place}}, "b"); got != c.b {
			t.Errorf("%s: %v", name, got)
		}
	}
}
