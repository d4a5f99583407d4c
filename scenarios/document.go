package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"
)

// node is a value of the YAML file with its place. The tree is plain: anchors, aliases and merge keys are resolved. A scalar is
// a text, and its type depends on the field that it is decoded into.
type node struct {
	place
	kind   kind
	text   string // of a scalar
	quoted bool   // quoted or a block: always a text
	items  []*node
	fields []field
	size   int // values in it, aliases written out
}

// place is where a node stands.
type place struct {
	file      string // empty: the scenario itself
	line, col int    // from 1
}

type kind uint8

const (
	scalar kind = iota
	list
	table
)

// field is one `key: value` of a table.
type field struct {
	key   *node
	value *node
}

// get returns the value of a key, nil when it is absent.
func (n *node) get(key string) *node {
	for _, f := range n.fields {
		if f.key.text == key {
			return f.value
		}
	}
	return nil
}

// null reports whether the value is empty.
func (n *node) null() bool {
	if n.kind != scalar || n.quoted {
		return false
	}
	switch n.text {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// words describes the value in a message.
func (n *node) words() string {
	switch {
	case n.kind == list:
		return "a list"
	case n.kind == table:
		return "a table"
	case n.null():
		return "nothing"
	}
	return quote(n.text)
}

// Bounds of a file beside its size. The parser is recursive, and its time grows with the square of the keys of a table. Within
// these bounds it takes less than a second.
const (
	maxTokens = 50_000
	maxDepth  = 200
	maxValues = 100_000
)

// document reads YAML into nodes.
type document struct {
	file    string // in the places of nodes
	anchors map[string]*node
	values  int
	problem func(line, col int, message string)
}

// readDocument reads src, a file of that name; empty: the scenario itself. It returns nil after problems that leave nothing to decode,
// and an empty table for an empty file.
func readDocument(file string, src []byte, report func(at place, message string)) (root *node) {
	problem := func(line, col int, message string) { report(place{file, line, col}, message) }
	d := &document{file: file, anchors: make(map[string]*node), problem: problem}
	// The YAML library is not ours and the file may be anything: each of the library's panics is a problem of the file.
	defer func() {
		if r := recover(); r != nil {
			problem(1, 1, fmt.Sprintf("this YAML cannot be read: %v", r))
			root = nil
		}
	}()
	src, ok := d.plain(src)
	if !ok {
		return nil
	}
	tokens, ok := d.tokens(src)
	if !ok {
		return nil
	}
	// Duplicate keys are reported by this package, together with the other problems.
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err, src)
		return nil
	}
	return d.body(parsed)
}

// plain checks size and encoding, and removes a byte order mark and carriage returns.
func (d *document) plain(src []byte) ([]byte, bool) {
	if len(src) > MaxScenarioFileBytes {
		d.problem(1, 1, fmt.Sprintf("the file is longer than %d bytes", MaxScenarioFileBytes))
		return nil, false
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	for i, line := range bytes.Split(src, []byte("\n")) {
		if !utf8.Valid(line) {
			d.problem(i+1, 1, "the line is not UTF-8")
			return nil, false
		}
		if at := bytes.IndexByte(line, 0); at >= 0 {
			d.problem(i+1, utf8.RuneCount(line[:at])+1, "a zero byte is here")
			return nil, false
		}
	}
	return src, true
}

// tokens scans src within the bounds.
func (d *document) tokens(src []byte) (token.Tokens, bool) {
	var s scanner.Scanner
	s.Init(string(src))
	var tokens token.Tokens
	depth := depth{}
	for {
		some, err := s.Scan()
		if errors.Is(err, io.EOF) {
			return tokens, true
		}
		for _, t := range some {
			if depth.beyond(t) {
				d.problem(t.Position.Line, t.Position.Column, fmt.Sprintf("values are nested deeper than %d", maxDepth))
				return nil, false
			}
		}
		tokens.Add(some...)
		if len(tokens) > maxTokens {
			last := tokens[len(tokens)-1].Position
			d.problem(last.Line, last.Column, fmt.Sprintf("the file holds more than %d words and signs", maxTokens))
			return nil, false
		}
	}
}

// depth bounds the nesting: brackets, signs in one line, and columns of indentation.
type depth struct{ brackets, line, signs int }

func (d *depth) beyond(t *token.Token) bool {
	if t.Position.Line != d.line {
		d.line, d.signs = t.Position.Line, 0
	}
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		d.brackets++
	case token.SequenceEndType, token.MappingEndType:
		d.brackets--
	case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
		d.signs++
		return d.brackets+d.signs > maxDepth || t.Position.Column > 4*maxDepth
	}
	return d.brackets > maxDepth
}

// syntax reports an error of the YAML library, without its excerpt of the source.
func (d *document) syntax(err error, src []byte) {
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) || syntax.Token == nil {
		d.problem(1, 1, "not YAML: "+strings.SplitN(err.Error(), "\n", 2)[0])
		return
	}
	at := syntax.Token.Position
	message := "not YAML: " + strings.ReplaceAll(syntax.Message, "\t", `\t`)
	if strings.Contains(syntax.Message, "\t") {
		message += "; indent with spaces"
	}
	lines := bytes.Split(src, []byte("\n"))
	if i := at.Line - 1; i >= 0 && i < len(lines) && (bytes.Contains(lines[i], []byte("{{")) || bytes.Contains(lines[i], []byte("${"))) {
		message += `; a value with { or } in it needs quotes: "{{id}}", "${name}"`
	}
	d.problem(at.Line, max(at.Column, 1), message)
}

// body is the one document of the file.
func (d *document) body(file *ast.File) *node {
	var root *node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		at := doc.Body.GetToken().Position
		if _, ok := doc.Body.(*ast.DirectiveNode); ok {
			d.problem(at.Line, at.Column, "YAML directives are not supported: remove the line")
			return nil
		}
		body := d.node(doc.Body, &node{place: place{d.file, 1, 1}})
		if root != nil {
			d.problem(body.line, body.col, "a second YAML document begins here: one file holds one scenario")
			return root
		}
		root = body
	}
	if root == nil {
		root = &node{kind: table, place: place{d.file, 1, 1}}
	}
	if root.size > maxValues {
		d.problem(root.line, root.col, fmt.Sprintf("with its aliases written out the file holds more than %d values", maxValues))
		return nil
	}
	return root
}

// node reads one value; near is the place to name when the value has no place of its own.
func (d *document) node(n ast.Node, near *node) *node {
	out := &node{place: near.place, size: 1}
	if n == nil {
		return out
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		out.line, out.col = t.Position.Line, max(t.Position.Column, 1)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		d.table(out, n.Values)
	case *ast.MappingValueNode:
		d.table(out, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		out.kind = list
		for _, v := range n.Values {
			item := d.node(v, out)
			out.items = append(out.items, item)
			out.size = grow(out.size, item.size)
		}
	case *ast.AnchorNode:
		value := d.node(n.Value, out)
		d.anchors[n.Name.GetToken().Value] = value
		return value
	case *ast.AliasNode:
		return d.alias(n, out)
	case *ast.TagNode:
		d.problem(out.line, out.col, "YAML tags are not supported: quote what must be text, and leave the tag out")
	case *ast.LiteralNode:
		out.text, out.quoted = n.Value.Value, true
	case *ast.StringNode:
		out.text, out.quoted = n.Value, n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode, *ast.NullNode:
		out.text = n.GetToken().Value
	default:
		d.problem(out.line, out.col, "this kind of YAML is not supported here")
	}
	return out
}

// alias is the anchored value itself: an alias follows its anchor, so there is no cycle.
func (d *document) alias(n *ast.AliasNode, at *node) *node {
	name := n.Value.GetToken().Value
	if value, ok := d.anchors[name]; ok {
		return value
	}
	d.problem(at.line, at.col, fmt.Sprintf("*%s has no anchor &%s above it", name, name))
	return at
}

// grow adds sizes and saturates: aliases of aliases make numbers beyond every integer.
func grow(a, b int) int { return min(a+b, 1<<40) }

// table reads the keys and values of a table into out. The table's own keys override merged ones.
func (d *document) table(out *node, values []*ast.MappingValueNode) {
	out.kind = table
	if len(values) > 0 { // the place of a block table is that of its first key
		if t := values[0].Key.GetToken(); t != nil && out.line == t.Position.Line {
			out.col = min(out.col, max(t.Position.Column, 1))
		}
	}
	seen := make(map[string]*node)
	var merged []*node
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, d.node(v.Value, out))
			continue
		}
		key, ok := d.key(v.Key, out)
		value := d.node(v.Value, key)
		if !ok {
			continue
		}
		if first, ok := seen[key.text]; ok {
			d.problem(key.line, key.col, fmt.Sprintf("key %s is here twice, first in line %d", quote(key.text), first.line))
			continue
		}
		seen[key.text] = key
		d.add(out, field{key, value})
	}
	for _, m := range merged {
		d.merge(out, m, seen)
	}
}

func (d *document) add(out *node, f field) {
	out.fields = append(out.fields, f)
	out.size = grow(out.size, 1+f.value.size)
	d.values++
}

// merge adds the fields of a merged table, or of a list of them, to out.
func (d *document) merge(out, from *node, seen map[string]*node) {
	tables := []*node{from}
	if from.kind == list {
		tables = from.items
	}
	for _, t := range tables {
		if t.kind != table {
			d.problem(from.line, from.col, "<<: merges a table or a list of tables: write <<: *name")
			return
		}
		for _, f := range t.fields {
			if d.values++; d.values > maxValues {
				out.size = grow(out.size, maxValues) // reported once, for the whole file
				return
			}
			if _, ok := seen[f.key.text]; !ok {
				seen[f.key.text] = f.key
				d.add(out, f)
			}
		}
	}
}

// key reads a key as it is written; false when the node cannot be a key.
func (d *document) key(k ast.MapKeyNode, near *node) (*node, bool) {
	n := ast.Node(k)
	if explicit, ok := n.(*ast.MappingKeyNode); ok {
		n = explicit.Value
	}
	out := d.node(n, near)
	if out.kind != scalar {
		d.problem(out.line, out.col, "a key must be a word")
		return out, false
	}
	if strings.Contains(out.text, "${") {
		d.problem(out.line, out.col, "${...} is in a key: only values may hold it")
	}
	if strings.Contains(out.text, "{{") {
		d.problem(out.line, out.col, "{{...}} is in a key: only values are rendered")
	}
	return out, true
}
