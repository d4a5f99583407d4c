// Package system makes a picture of the system under test, as a graph: who sends to whom over which link, and which of these a fault
// breaks. It is made from the scenario as it was run and from what the record saw. A record without a scenario has the streams, the
// links and the parts that it names.
package system

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"wringer/reports"
)

// The kinds of nodes.
const (
	Stream = "stream" // sends or reads operations
	Part   = "part"   // a service or a process of the target
	Broker = "broker"
	Place  = "place" // where effects show up
)

// Graph is the system. Edges point at nodes by index.
type Graph struct {
	Nodes []Node
	Edges []Edge
	// Others are the measured parts that nothing is known to send to, and no fault broke. They are no nodes.
	Others []string
	// Windows are the names of the run's windows in which anything was sent or broken, in order.
	Windows []string
}

// Node is one participant.
type Node struct {
	Name string
	Kind string
	// Layer is the distance from the load generator: streams have 0.
	Layer int
	// Broken are the windows in which a fault was on it, by index, with the faults' names.
	Broken map[int]string
}

// Edge is a connection between two nodes.
type Edge struct {
	From, To int
	// Name is the link's, by which faults break it; empty: no fault can.
	Name string
	// Reads: the stream or the observer reads there; nothing is sent.
	Reads bool
	// Total is the traffic of the whole run, and Windows that of each window; nil where nothing counted it.
	Total   *Traffic
	Windows []*Traffic
	Broken  map[int]string
}

// Traffic counts what went over an edge. Amplification is requests for each operation; nil: not known.
type Traffic struct {
	Requests      int64
	AtLeast       bool
	Amplification *float64
}

// builder makes a graph.
type builder struct {
	*Graph
	run   *reports.Run
	index map[string]int
	names names
}

// New makes the graph of a record. The same record gives the same graph.
func New(rec *reports.Record) *Graph {
	b := &builder{Graph: &Graph{}, run: rec.Run, index: make(map[string]int), names: read(rec.Scenario)}
	b.windows()
	for _, name := range b.run.StreamNames() {
		b.stream(name)
	}
	b.links()
	b.parts()
	b.faults()
	b.layers()
	return b.Graph
}

// windows are those in which a stream sent something, or a fault was in force.
func (b *builder) windows() {
	for _, name := range b.run.WindowNames() {
		used := slices.ContainsFunc(b.run.Windows, func(w reports.Window) bool { return w.Name == name && w.Fault != nil })
		for _, s := range b.run.Streams {
			used = used || s.Windows[name] != nil && s.Windows[name].Offered > 0
		}
		if used {
			b.Windows = append(b.Windows, name)
		}
	}
}

// node returns the index of the node of a name, which is made when it is new.
func (b *builder) node(name, kind string) int {
	if i, known := b.index[name]; known {
		if b.Nodes[i].Kind == Part && kind != Part {
			b.Nodes[i].Kind = kind
		}
		return i
	}
	b.index[name] = len(b.Nodes)
	b.Nodes = append(b.Nodes, Node{Name: name, Kind: kind, Broken: make(map[int]string)})
	return b.index[name]
}

// stream adds a stream, what it sends to, and the places of its effects.
func (b *builder) stream(name string) {
	s := b.run.Streams[name]
	from := len(b.Nodes) // a stream and a service may have the same name
	b.Nodes = append(b.Nodes, Node{Name: name, Kind: Stream, Broken: make(map[int]string)})
	if s.Consumes() {
		to := b.node(b.names.reads(name, s), Broker)
		b.Edges = append(b.Edges, Edge{From: from, To: to, Reads: true, Broken: make(map[int]string)})
		return
	}
	to := b.node(b.names.target(name, s), kindOf(s.Driver))
	e := Edge{From: from, To: to, Name: name, Total: sent(&s.Total), Broken: make(map[int]string)}
	for _, w := range b.Windows {
		e.Windows = append(e.Windows, sent(s.Windows[w]))
	}
	b.Edges = append(b.Edges, e)
	for _, place := range b.names.places(name, s) {
		if at := b.node(place, Place); at != to {
			b.Edges = append(b.Edges, Edge{From: to, To: at, Reads: true, Broken: make(map[int]string)})
		}
	}
}

// kindOf is the kind of node to which a driver sends.
func kindOf(driver string) string {
	if driver == "kafka" || driver == "amqp" {
		return Broker
	}
	return Part
}

// sent is the traffic of a stream's own link: its attempts.
func sent(m *reports.Measures) *Traffic {
	if m == nil {
		return nil
	}
	return &Traffic{Requests: m.Attempts, Amplification: m.Amplification}
}

// links adds the links between services: those of the scenario, and those with a witness.
func (b *builder) links() {
	all := make(map[string]bool)
	for name := range b.names.links {
		all[name] = true
	}
	for name := range b.run.Links {
		all[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		from, to := b.names.ends(name)
		e := Edge{From: b.node(from, Part), To: b.node(to, brokerOr(to)), Name: name, Broken: make(map[int]string)}
		if l := b.run.Links[name]; l != nil {
			e.Total = arrived(l, &l.Total)
			for _, w := range b.Windows {
				e.Windows = append(e.Windows, arrived(l, l.Windows[w]))
			}
		}
		b.Edges = append(b.Edges, e)
	}
}

// brokerOr is the kind of a node that only its name describes.
func brokerOr(name string) string {
	if strings.Contains(name, "kafka") || strings.Contains(name, "rabbit") || strings.Contains(name, "broker") {
		return Broker
	}
	return Part
}

func arrived(l *reports.Link, m *reports.LinkMeasures) *Traffic {
	if m == nil || m.Requests == nil {
		return nil
	}
	return &Traffic{Requests: *m.Requests, AtLeast: l.Unknown != "", Amplification: m.Amplification}
}

// parts adds the parts that faults break. Of the others that were measured, nothing tells where they stand.
func (b *builder) parts() {
	for i := range b.run.Faults {
		if part := b.run.Faults[i].Part; part != nil {
			b.node(*part, brokerOr(*part))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.run.Parts)) {
		if _, known := b.index[name]; !known {
			b.Others = append(b.Others, name)
		}
	}
}

// faults marks what each fault broke, in each window in which it was in force.
func (b *builder) faults() {
	for i := range b.run.Faults {
		f := &b.run.Faults[i]
		if f.NotInjected {
			continue
		}
		for w, name := range b.Windows {
			if !b.inForce(f, name) {
				continue
			}
			if f.Part != nil {
				add(b.Nodes[b.node(*f.Part, Part)].Broken, w, f.Name)
			}
			if f.Link == nil {
				continue
			}
			link, _, _ := strings.Cut(*f.Link, "/") // one broker of several behind it
			for e := range b.Edges {
				if b.Edges[e].Name == link || b.Edges[e].Name == *f.Link {
					add(b.Edges[e].Broken, w, f.Name)
				}
			}
		}
	}
}

// inForce says whether a fault was in force in a window.
func (b *builder) inForce(f *reports.Fault, window string) bool {
	return slices.ContainsFunc(b.run.Windows, func(w reports.Window) bool {
		return w.Name == window && w.Stream == "" && w.StartNS < f.EndNS && f.StartNS < w.EndNS
	})
}

func add(broken map[int]string, window int, fault string) {
	if !slices.Contains(strings.Split(broken[window], ", "), fault) {
		broken[window] = strings.TrimPrefix(broken[window]+", "+fault, ", ")
	}
}

// layers puts each node behind those that send to it. A circle of services ends at the first that was placed.
func (b *builder) layers() {
	for range b.Nodes {
		moved := false
		for _, e := range b.Edges {
			if next := b.Nodes[e.From].Layer + 1; b.Nodes[e.To].Layer < next && next <= mostLayers && e.From != e.To {
				b.Nodes[e.To].Layer, moved = next, true
			}
		}
		if !moved {
			break
		}
	}
	for i := range b.Nodes { // parts without a connection stand beside the services
		if b.Nodes[i].Kind != Stream {
			b.Nodes[i].Layer = max(b.Nodes[i].Layer, 1)
		}
	}
}

// mostLayers bounds the layers of a system whose services call each other in a circle.
const mostLayers = 6

// Broken lists the edges and the nodes that were broken in some window, in words; empty: none.
func (g *Graph) Broken() string {
	var all []string
	for w, window := range g.Windows {
		var here []string
		for _, e := range g.Edges {
			if e.Broken[w] != "" {
				here = append(here, "link "+e.Name)
			}
		}
		for _, n := range g.Nodes {
			if n.Broken[w] != "" {
				here = append(here, "part "+n.Name)
			}
		}
		if len(here) > 0 {
			all = append(all, window+": "+strings.Join(here, ", "))
		}
	}
	return cmp.Or(strings.Join(all, "; "), "nothing")
}
