package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/system"
)

// The measures of the system's picture, in its own units.
const (
	nodeWidth  = 150.0
	nodeHeight = 38.0
	layerPitch = 330.0
	rowPitch   = 66.0
)

// picture is the system as it is drawn.
type picture struct {
	Width, Height string
	Nodes         []drawnNode
	Edges         []drawnEdge
	Windows       []string
	Others        string // parts that were measured and are not drawn
	Words         string // what is drawn, for those who cannot see it
}

type drawnNode struct {
	X, Y, TextX, TextY, KindY string
	Name, Kind                string
	Width, Height             string
	Faults                    string // those that broke it in some window
}

type drawnEdge struct {
	Path   string
	X, Y   string // of its words
	Words  string // the traffic of the whole run
	From   string
	To     string
	Reads  bool
	Faults string
	Anchor string
}

// pictureState is what the page's script shows for each window: the words of the edges, and which of them are broken.
type pictureState struct {
	Edges []edgeState   `json:"edges"`
	Nodes []brokenState `json:"nodes"`
}

type edgeState struct {
	Words  []string    `json:"words"` // by window; the first is of the whole run
	Broken brokenState `json:"broken"`
}

// brokenState has the faults of each window; the first is the whole run.
type brokenState []string

func newPicture(g *system.Graph) (*picture, *pictureState) {
	if len(g.Edges) == 0 {
		return nil, nil
	}
	at, layers, rows := places(g)
	p := &picture{Windows: g.Windows, Others: strings.Join(g.Others, ", "), Width: number(float64(layers-1)*layerPitch + nodeWidth + 20), Height: number(float64(rows)*rowPitch + 20)}
	state := &pictureState{}
	for i, n := range g.Nodes {
		x, y := at[i].x, at[i].y
		p.Nodes = append(p.Nodes, drawnNode{X: number(x), Y: number(y), TextX: number(x + nodeWidth/2), TextY: number(y + 17), KindY: number(y + 31), Name: shortened(n.Name, 22), Kind: n.Kind,
			Width: number(nodeWidth), Height: number(nodeHeight), Faults: union(n.Broken)})
		state.Nodes = append(state.Nodes, byWindow(n.Broken, len(g.Windows)))
	}
	degree := make(map[int]int)
	for _, e := range g.Edges {
		degree[e.From]++
	}
	for _, e := range g.Edges {
		d := drawnEdge{From: g.Nodes[e.From].Name, To: g.Nodes[e.To].Name, Reads: e.Reads, Words: traffic(e.Total, e.Reads), Faults: union(e.Broken)}
		d.route(at[e.From], at[e.To], degree[e.From] > 1)
		p.Edges = append(p.Edges, d)
		s := edgeState{Words: []string{d.Words}, Broken: byWindow(e.Broken, len(g.Windows))}
		for w := range g.Windows {
			text := traffic(nil, e.Reads)
			if w < len(e.Windows) {
				text = traffic(e.Windows[w], e.Reads)
			}
			s.Words = append(s.Words, text)
		}
		state.Edges = append(state.Edges, s)
	}
	p.Words = fmt.Sprintf("%d participants and %d connections. Broken: %s", len(g.Nodes), len(g.Edges), g.Broken())
	return p, state
}

type point struct{ x, y float64 }

// places puts the nodes of each layer below each other, each near those that send to it.
func places(g *system.Graph) (at []point, layers, rows int) {
	at = make([]point, len(g.Nodes))
	byLayer := make(map[int][]int)
	for i, n := range g.Nodes {
		byLayer[n.Layer] = append(byLayer[n.Layer], i)
		layers = max(layers, n.Layer+1)
	}
	for _, nodes := range byLayer {
		rows = max(rows, len(nodes))
	}
	for layer := range layers {
		nodes := byLayer[layer]
		wish := make(map[int]float64)
		for i, n := range nodes {
			wish[n] = float64(i) * rowPitch
			if y, ok := senders(g, n, at); ok && layer > 0 {
				wish[n] = y
			}
		}
		slices.SortStableFunc(nodes, func(a, b int) int { return cmp.Compare(wish[a], wish[b]) })
		top := (float64(rows-len(nodes)) * rowPitch) / 2
		for i, n := range nodes {
			at[n] = point{10 + float64(layer)*layerPitch, 14 + top + float64(i)*rowPitch}
		}
	}
	return at, layers, rows
}

// senders is the mean height of the nodes of lower layers that send to one.
func senders(g *system.Graph, node int, at []point) (y float64, ok bool) {
	n := 0.0
	for _, e := range g.Edges {
		if e.To == node && g.Nodes[e.From].Layer < g.Nodes[node].Layer {
			y, n = y+at[e.From].y, n+1
		}
	}
	if n == 0 {
		return 0, false
	}
	return y / n, true
}

// route draws the line from one node to another, and finds a place for its words.
func (d *drawnEdge) route(from, to point, fans bool) {
	y1, y2 := from.y+nodeHeight/2, to.y+nodeHeight/2
	x1, x2 := from.x+nodeWidth, to.x
	if to.x <= from.x { // back, or within a layer: around the right side
		x2 = to.x + nodeWidth
		out := max(x1, x2) + 60
		d.Path = fmt.Sprintf("M%s %sC%s %s %s %s %s %s", number(x1), number(y1), number(out), number(y1), number(out), number(y2), number(x2), number(y2))
		d.X, d.Y, d.Anchor = number(max(x1, x2)+50), number((y1+y2)/2), "start"
		return
	}
	bend := (x2 - x1) * 0.45
	d.Path = fmt.Sprintf("M%s %sC%s %s %s %s %s %s", number(x1), number(y1), number(x1+bend), number(y1), number(x2-bend), number(y2), number(x2), number(y2))
	// The words stand on the side that the line leaves free.
	beside := func(y, other float64) float64 {
		if other < y {
			return y + 15
		}
		return y - 7
	}
	d.X, d.Y, d.Anchor = number(x1+8), number(beside(y1, y2)), "start"
	if fans {
		d.X, d.Y, d.Anchor = number(x2-12), number(beside(y2, y1)), "end"
	}
}

// traffic writes what went over an edge.
func traffic(t *system.Traffic, reads bool) string {
	switch {
	case reads:
		return "observed"
	case t == nil:
		return "not counted"
	}
	text := reports.Counted(t.Requests, "request")
	if t.AtLeast {
		text = "at least " + text
	}
	if t.Amplification != nil {
		text += ", × " + reports.Factor(*t.Amplification)
	}
	return text
}

// byWindow are the faults of the whole run, and of each window.
func byWindow(broken map[int]string, windows int) brokenState {
	out := brokenState{union(broken)}
	for w := range windows {
		out = append(out, broken[w])
	}
	return out
}

// union are the faults of all windows, each once.
func union(broken map[int]string) string {
	var all []string
	for w := range slices.Max(append(keys(broken), -1)) + 1 {
		for _, name := range strings.Split(broken[w], ", ") {
			if name != "" && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return strings.Join(all, ", ")
}

func keys(m map[int]string) []int {
	var all []int
	for k := range m {
		all = append(all, k)
	}
	return all
}

// shortened cuts a long name; the list beside the picture has it whole.
func shortened(name string, most int) string {
	r := []rune(name)
	if len(r) <= most {
		return name
	}
	return string(r[:most-1]) + "…"
}
