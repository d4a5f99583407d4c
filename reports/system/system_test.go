package system

import (
	"reflect"
	"slices"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// lines are the edges in words: from, to, link.
func lines(g *Graph) []string {
	var all []string
	for _, e := range g.Edges {
		line := g.Nodes[e.From].Name + " > " + g.Nodes[e.To].Name
		if e.Name != "" {
			line += " by " + e.Name
		}
		all = append(all, line)
	}
	return all
}

const inner = `
target: {shop: {stock: "${links.orders->stock}"}}
links:
  orders->stock: {upstream: "${shop.grpc}", witness: true}
  orders->kafka: {kafka: {bootstrap: "${shop.kafka}"}}
traffic:
  orders:
    rest: {request: "POST ${shop.rest}/orders"}
    effects: {kafka: {brokers: "${shop.kafka}", topic: order-events}}
  payments:
    kafka: {brokers: "${shop.kafka}", topic: payments}
  stock:
    rest: {request: "GET http://user:secret@10.0.0.7:8080/stock"}
`

func TestTheGraphOfAScenario(t *testing.T) {
	rec := recordtest.Links()
	rec.Scenario = []byte(inner)
	rec.Run.Streams["stock"].Driver = "rest"
	delete(rec.Run.Links, "stock->db")
	g := New(rec)
	want := []string{"orders > orders by orders", "orders > topic order-events", "payments > kafka by payments", "stock > 10.0.0.7:8080 by stock", "orders > kafka by orders->kafka", "orders > stock by orders->stock"}
	if got := lines(g); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for _, e := range g.Edges {
		from, to := g.Nodes[e.From], g.Nodes[e.To]
		if from.Layer >= to.Layer {
			t.Errorf("%s in layer %d sends to %s in layer %d", from.Name, from.Layer, to.Name, to.Layer)
		}
	}
}

// The fault slow-broker is still in force in the window of fulfilment-paused.
func TestTheBrokenEdgeIsMarkedInItsWindow(t *testing.T) {
	g := New(recordtest.Fail())
	for _, e := range g.Edges {
		for w, window := range g.Windows {
			if broken := e.Broken[w] != ""; broken != (e.Name == "orders" && window == "lost-answers" || e.Name == "payments" && (window == "slow-broker" || window == "fulfilment-paused")) {
				t.Errorf("link %q in %s: %q", e.Name, window, e.Broken[w])
			}
		}
	}
}

func TestTrafficIsCountedByWindow(t *testing.T) {
	rec := recordtest.Links()
	g := New(rec)
	found := 0
	for _, e := range g.Edges {
		switch e.Name {
		case "orders":
			found++
			if e.Total.Requests != rec.Run.Streams["orders"].Total.Attempts || e.Windows[0].Requests != rec.Run.Streams["orders"].Windows["baseline"].Attempts {
				t.Errorf("orders: %+v", e.Total)
			}
		case "stock->db":
			found++
			if !e.Total.AtLeast || e.Total.Requests != *rec.Run.Links["stock->db"].Total.Requests {
				t.Errorf("stock->db: %+v", e.Total)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 edges: %q", found, lines(g))
	}
}

// Without a scenario, or with a broken one, the record alone names the participants. Services in a circle end.
func TestTheGraphOfARecordAlone(t *testing.T) {
	for _, text := range []string{"", "\x00{[", "- a list", "traffic: 7\nlinks: [x]"} {
		rec := recordtest.Fail()
		rec.Scenario = []byte(text)
		rec.Run.Links = map[string]*reports.Link{"a->b": {}, "b->a": {}, "a->a": {}, "odd": {}}
		g := New(rec)
		if len(g.Edges) < 7 || !reflect.DeepEqual(g, New(rec)) {
			t.Errorf("%q: %q", text, lines(g))
		}
	}
	if g := New(&reports.Record{Run: &reports.Run{}}); len(g.Nodes) != 0 {
		t.Errorf("an empty record has %v", g.Nodes)
	}
}
