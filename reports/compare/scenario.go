package compare

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A scenario is compared key by key, so that comments, order and quotes do not count. Each key of the file's first level has a weight.
type weight int

const (
	matters weight = iota // every key that is not listed below
	noted                 // told, and no obstacle
	silent
)

// weights of the keys of the first level. The target is what a comparison is about. Phases only name spans of time, and observe only reads. Names, words and gates
// change nothing that is measured. A seed draws keys, payloads and moments; where it draws another schedule of faults, the faults differ.
var weights = map[string]weight{"target": noted, "phases": noted, "observe": noted, "seed": noted, "name": silent, "about": silent, "expect": silent, "abort": silent}

// difference is one key in which two scenarios differ.
type difference struct {
	path, a, b string
	weight     weight
}

// scenarioTree is a scenario's text as plain values by their paths, with the settings in place of their variables.
func scenarioTree(text []byte, settings map[string]string) (map[string]string, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, err
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, fmt.Errorf("it holds %d documents", len(file.Docs))
	}
	t := &tree{values: make(map[string]string), anchors: make(map[string]ast.Node), settings: settings}
	t.add("", file.Docs[0].Body, 0)
	if t.full {
		return nil, fmt.Errorf("it holds more than %d values", mostValues)
	}
	return t.values, nil
}

// The most values of a scenario, aliases written out, and how deep they lie.
const (
	mostValues = 100_000
	mostDepth  = 100
)

type tree struct {
	values   map[string]string
	anchors  map[string]ast.Node
	settings map[string]string
	visited  int
	full     bool
}

// add puts a node and all below it into the tree.
func (t *tree) add(path string, n ast.Node, depth int) {
	t.visited++
	if t.full = t.full || t.visited > mostValues || depth > mostDepth; t.full {
		return
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			t.pair(path, v, depth)
		}
	case *ast.MappingValueNode:
		t.pair(path, n, depth)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			t.add(path+"["+itemName(v, i)+"]", v, depth+1)
		}
	case *ast.AnchorNode:
		t.anchors[n.Name.String()] = n.Value
		t.add(path, n.Value, depth+1)
	case *ast.AliasNode:
		if to := t.anchors[n.Value.String()]; to != nil {
			t.add(path, to, depth+1)
		}
	case *ast.TagNode:
		t.add(path, n.Value, depth+1)
	case nil:
	default:
		t.values[path] = t.scalar(n)
	}
}

func (t *tree) pair(path string, n *ast.MappingValueNode, depth int) {
	if _, merge := n.Key.(*ast.MergeKeyNode); merge {
		t.add(path, n.Value, depth+1)
		return
	}
	key := n.Key.String()
	if token := n.Key.GetToken(); token != nil {
		key = token.Value
	}
	t.add(strings.TrimPrefix(path+"."+key, "."), n.Value, depth+1)
}

// itemName names an item of a list by its name where it has one, as faults do, so that one more fault is one difference.
func itemName(n ast.Node, i int) string {
	if m, ok := n.(*ast.MappingNode); ok {
		for _, v := range m.Values {
			if token := v.Key.GetToken(); token != nil && token.Value == "name" {
				if value := v.Value.GetToken(); value != nil {
					return value.Value
				}
			}
		}
	}
	return fmt.Sprint(i)
}

var variable = regexp.MustCompile(`\$\{([^{}]+)\}`)

func (t *tree) scalar(n ast.Node) string {
	text := n.String()
	switch v := n.(type) {
	case *ast.StringNode:
		text = v.Value
	case *ast.LiteralNode:
		text = v.Value.Value
	default:
		if token := n.GetToken(); token != nil {
			text = token.Value
		}
	}
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		if value, ok := t.settings[v[2:len(v)-1]]; ok {
			return value
		}
		return v
	})
}

// Addresses: of a URL the part between // and the path, and lists of HOST:PORT that are a whole value.
var (
	authority = regexp.MustCompile(`://[^/\s"']+`)
	hostPorts = regexp.MustCompile(`^([\w.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}(\s*,\s*([\w.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5})*$`)
)

// elsewhere is a value without the addresses in it: the target may stand elsewhere.
func elsewhere(value string) string {
	if hostPorts.MatchString(strings.TrimSpace(value)) {
		return "HOST:PORT"
	}
	return authority.ReplaceAllString(value, "://HOST")
}

// scenarioDifferences lists the keys in which two trees differ, by their paths.
func scenarioDifferences(a, b map[string]string) []difference {
	paths := maps.Clone(a)
	maps.Copy(paths, b)
	var all []difference
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		x, hasX := a[path]
		y, hasY := b[path]
		if hasX == hasY && x == y {
			continue
		}
		d := difference{path: path, a: none(x), b: none(y), weight: weights[firstKey(path)]}
		if d.weight == matters && hasX && hasY && elsewhere(x) == elsewhere(y) {
			d.weight = noted
		}
		if d.weight != silent {
			all = append(all, d)
		}
	}
	return all
}

func firstKey(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}
