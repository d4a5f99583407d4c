package system

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"wringer/reports"
)

// names are what a scenario calls the participants.
type names struct {
	streams map[string]any
	links   map[string]any
	// alias is the name of what answers at an address, by its variable.
	alias map[string]string
}

// largest is the size of a scenario that is looked at.
const largest = 1 << 20

// shop names what answers at the addresses of the embedded target.
var shop = map[string]string{"shop.rest": "orders", "shop.grpc": "stock", "shop.kafka": "kafka", "shop.amqp": "rabbitmq"}

// read finds the names in a scenario. A text that is none, or is missing, gives no names.
func read(scenario []byte) names {
	n := names{alias: make(map[string]string)}
	if len(scenario) > largest {
		return n
	}
	file, err := parser.ParseBytes(scenario, 0)
	if err != nil || len(file.Docs) == 0 {
		return n
	}
	top := anchors{}.value(file.Docs[0].Body)
	n.streams, _ = member(top, "traffic").(map[string]any)
	n.links, _ = member(top, "links").(map[string]any)
	for name, link := range n.links {
		_, to := n.ends(name)
		for _, ref := range references(member(link, "upstream")) {
			n.alias[ref] = to
		}
		for _, ref := range references(member(member(link, "kafka"), "bootstrap")) {
			n.alias[ref] = to
		}
	}
	return n
}

// ends are the names of a link's ends: a->b goes from a to b.
func (n names) ends(link string) (from, to string) {
	from, to, found := strings.Cut(link, "->")
	if !found {
		return "target", link
	}
	to, _, _ = strings.Cut(to, "/")
	return from, to
}

// addresses are the keys of a stream's driver under which it says where it sends, of the drivers in turn.
var addresses = []string{"request", "target", "brokers", "url", "address", "urls"}

// target is the name of what a stream sends to.
func (n names) target(name string, s *reports.Stream) string {
	driver := member(n.streams[name], s.Driver)
	for _, key := range addresses {
		if at := n.at(member(driver, key)); at != "" {
			return at
		}
	}
	for _, step := range list(member(driver, "steps")) {
		if at := n.at(member(step, "request")); at != "" {
			return at
		}
	}
	if kindOf(s.Driver) == Broker {
		return s.Driver
	}
	return "target"
}

// reads is the name of where a consuming stream reads.
func (n names) reads(name string, s *reports.Stream) string {
	for _, key := range []string{"consume", "kafka", "amqp"} {
		from := member(n.streams[name], key)
		for _, one := range []any{from, member(from, "kafka"), member(from, "amqp"), member(from, "from")} {
			for _, address := range addresses {
				if at := n.at(member(one, address)); at != "" {
					return at
				}
			}
		}
	}
	return cmp.Or(s.Driver, "target")
}

// places are the names of where the effects of a stream show up.
func (n names) places(name string, s *reports.Stream) []string {
	if len(s.Places) > 0 {
		var all []string
		for _, p := range s.Places {
			all = append(all, p.Name)
		}
		return all
	}
	if s.Effects == "" || strings.HasPrefix(s.Effects, "its own ") { // the stream's own target
		return nil
	}
	if topic, ok := member(member(member(n.streams[name], "effects"), "kafka"), "topic").(string); ok {
		return []string{"topic " + topic}
	}
	return []string{s.Effects}
}

var reference = regexp.MustCompile(`\$\{([^}]+)\}`)

// references are the variables in a text.
func references(v any) []string {
	text, _ := v.(string)
	var all []string
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// at is the name of what answers at an address, empty for none: by the link that leads there, by the variable's part, or by the host.
func (n names) at(v any) string {
	text, ok := v.(string)
	if !ok || text == "" {
		return ""
	}
	if refs := references(v); len(refs) > 0 {
		return n.behind(refs[0])
	}
	if _, after, found := strings.Cut(text, " "); found { // POST http://...
		text = after
	}
	if !strings.Contains(text, "://") {
		text = "//" + text
	}
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Host
	}
	return ""
}

// behind is the name of what answers at a variable's address.
func (n names) behind(ref string) string {
	if link, found := strings.CutPrefix(ref, "links."); found {
		_, to := n.ends(link)
		return to
	}
	if name := cmp.Or(n.alias[ref], shop[ref]); name != "" {
		return name
	}
	if part, _, found := strings.Cut(strings.TrimPrefix(ref, "processes."), "."); found && part != "env" {
		return part
	}
	return "target"
}

// anchors are the named values of a document. An alias shares the value: aliases of aliases take no memory.
type anchors map[string]any

// value is what a node of a document holds: a map, a list or a text; nil for anything else.
func (a anchors) value(node ast.Node) any {
	switch n := node.(type) {
	case *ast.MappingNode:
		return a.table(n.Values)
	case *ast.MappingValueNode:
		return a.table([]*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		all := make([]any, 0, len(n.Values))
		for _, one := range n.Values {
			all = append(all, a.value(one))
		}
		return all
	case *ast.AnchorNode:
		v := a.value(n.Value)
		a[n.Name.GetToken().Value] = v
		return v
	case *ast.AliasNode:
		return a[n.Value.GetToken().Value]
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	return nil
}

// table is a map of values. Its own keys override those that it merges.
func (a anchors) table(values []*ast.MappingValueNode) map[string]any {
	m, merged := make(map[string]any, len(values)), []any{}
	for _, one := range values {
		if _, merges := one.Key.(*ast.MergeKeyNode); merges {
			merged = append(merged, a.value(one.Value))
			continue
		}
		m[one.Key.GetToken().Value] = a.value(one.Value)
	}
	for _, from := range merged {
		more, _ := from.(map[string]any)
		for key, v := range more {
			if _, own := m[key]; !own {
				m[key] = v
			}
		}
	}
	return m
}

// member is the value of a key of a map, nil for anything else.
func member(v any, key string) any {
	m, _ := v.(map[string]any)
	return m[key]
}

func list(v any) []any {
	all, _ := v.([]any)
	return all
}
