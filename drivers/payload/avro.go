package payload

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protowire"

	"wringer/drivers"
)

// Avro compiles a value of a schema into Avro's binary form; path is its name in errors. Absent fields have the
// schema's defaults. Bytes are written in base64. A value of a union is written as it is, or as {TYPE: value} if
// several types fit.
//
// This package encodes records, maps and lists itself. So the entries of a map have a fixed order, and every attempt
// of an operation has the same bytes. The schema's own code encodes scalars and logical types.
func (c *Compiler) Avro(schema *avro.Schema, v any, path string) (Message, error) {
	a := &avroCompiler{Compiler: c, named: make(map[string]*avro.SchemaNode)}
	root := schema.Root()
	a.learn(root, "")
	return a.value(root, v, path)
}

type avroCompiler struct {
	*Compiler
	named map[string]*avro.SchemaNode // records, enums and fixed types, by full name
}

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// learn collects the named types, and gives references their full names. A short name belongs to the enclosing
// namespace.
func (a *avroCompiler) learn(n *avro.SchemaNode, namespace string) {
	if n == nil {
		return
	}
	if n.Name != "" {
		namespace = n.Namespace
		a.named[fullName(n)] = n
	} else if full := namespace + "." + n.Type; a.named[full] != nil {
		n.Type = full
	}
	for i := range n.Fields {
		a.learn(&n.Fields[i].Type, namespace)
	}
	for i := range n.Branches {
		a.learn(&n.Branches[i], namespace)
	}
	a.learn(n.Items, namespace)
	a.learn(n.Values, namespace)
}

// value compiles a value of a type.
func (a *avroCompiler) value(n *avro.SchemaNode, v any, path string) (Message, error) {
	if a.unknown(v) {
		return nil, nil
	}
	if definition := a.named[n.Type]; definition != nil {
		n = definition
	}
	switch n.Type {
	case "record", "error":
		return a.record(n, v, path)
	case "union":
		return a.union(n, v, path)
	case "map":
		return a.entries(n, v, path)
	case "array":
		return a.array(n, v, path)
	case "null":
		if v != nil {
			return nil, badField(path, "must be null")
		}
		return nil, nil
	}
	return a.scalar(n, v, path)
}

// record compiles a record: its fields in the order of the schema.
func (a *avroCompiler) record(n *avro.SchemaNode, v any, path string) (Message, error) {
	given, err := Map(v)
	if err != nil {
		return nil, badField(path, "%w: it is a %s", err, fullName(n))
	}
	var names []string
	var out Message
	for i := range n.Fields {
		f := &n.Fields[i]
		names = append(names, f.Name)
		var parts Message
		if value, ok := given[f.Name]; ok {
			parts, err = a.value(&f.Type, value, within(path, f.Name))
		} else {
			parts, err = a.absent(f, path)
		}
		if err := a.told(err); err != nil {
			return nil, err
		}
		out = out.join(parts)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(names, name) {
			err := badField(within(path, name), "%s has no such field; it has %s", fullName(n), strings.Join(slices.Sorted(slices.Values(names)), ", "))
			if err := a.told(err); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func within(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// absent compiles an absent field: its default, or null if the type allows null.
func (a *avroCompiler) absent(f *avro.SchemaField, path string) (Message, error) {
	if f.HasDefault {
		return encoded(&f.Type, f.Default, within(path, f.Name))
	}
	if f.Type.Type == "union" && slices.ContainsFunc(f.Type.Branches, func(b avro.SchemaNode) bool { return b.Type == "null" }) {
		return a.union(&f.Type, nil, within(path, f.Name))
	}
	return nil, badField(path, "the field %s is missing, and has no default", f.Name)
}

// encoded is a fixed value that the schema's own code encodes.
func encoded(n *avro.SchemaNode, v any, path string) (Message, error) {
	schema, err := n.Schema()
	if err != nil {
		return nil, atField(path, err)
	}
	b, err := schema.Encode(v)
	if err != nil {
		return nil, atField(path, err)
	}
	return Message{{fixed: b}}, nil
}

// whole appends a number as Avro writes lengths, counts and the indexes of a union's types.
func whole(dst []byte, n int64) []byte {
	return protowire.AppendVarint(dst, protowire.EncodeZigZag(n))
}

// entries compiles a map: one block of keys and values, and the end.
func (a *avroCompiler) entries(n *avro.SchemaNode, v any, path string) (Message, error) {
	given, err := Map(v)
	if err != nil {
		return nil, badField(path, "%w: it is a map", err)
	}
	var out Message
	for _, key := range slices.Sorted(maps.Keys(given)) {
		value, err := a.value(n.Values, given[key], fmt.Sprintf("%s[%q]", path, key))
		if err := a.told(err); err != nil {
			return nil, err
		}
		out = out.join(Message{{fixed: append(whole(nil, int64(len(key))), key...)}}).join(value)
	}
	return block(len(given), out), nil
}

func (a *avroCompiler) array(n *avro.SchemaNode, v any, path string) (Message, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, badField(path, "is a list; write [...]")
	}
	var out Message
	for i := range list {
		item, err := a.value(n.Items, list[i], fmt.Sprintf("%s[%d]", path, i))
		if err := a.told(err); err != nil {
			return nil, err
		}
		out = out.join(item)
	}
	return block(len(list), out), nil
}

// block is the items of one block, followed by the empty block that ends a list.
func block(n int, items Message) Message {
	end := Message{{fixed: whole(nil, 0)}}
	if n == 0 {
		return end
	}
	return Message{{fixed: whole(nil, int64(n))}}.join(items).join(end)
}

// union compiles a value of one of several types: null, {TYPE: value}, or a value that fits only one of them.
func (a *avroCompiler) union(n *avro.SchemaNode, v any, path string) (Message, error) {
	var names []string
	null, other, others := -1, -1, 0
	for i := range n.Branches {
		names = append(names, branchName(&n.Branches[i]))
		if n.Branches[i].Type == "null" {
			null = i
		} else if others++; others == 1 {
			other = i
		}
	}
	if v == nil {
		if null < 0 {
			return nil, badField(path, "cannot be null; it is one of %s", strings.Join(names, ", "))
		}
		return a.branch(n, null, nil, path)
	}
	if m, err := Map(v); err == nil && len(m) == 1 {
		for key, inner := range m {
			if i := slices.Index(names, key); i >= 0 {
				return a.branch(n, i, inner, within(path, key))
			}
		}
	}
	switch others {
	case 0:
		return nil, badField(path, "must be null")
	case 1:
		return a.branch(n, other, v, path)
	}
	return nil, badField(path, "may be one of %s; say which: {%s: ...}", strings.Join(names, ", "), names[other])
}

// branch compiles a value of a union's type i.
func (a *avroCompiler) branch(n *avro.SchemaNode, i int, v any, path string) (Message, error) {
	inner, err := a.value(&n.Branches[i], v, path)
	return Message{{fixed: whole(nil, int64(i))}}.join(inner), err
}

// branchName is the name of a type within a union, as Avro's JSON has it.
func branchName(b *avro.SchemaNode) string {
	if b.Name != "" {
		return fullName(b)
	}
	return b.Type // a reference has its full name, see learn
}

// scalar compiles a value that has no parts.
func (a *avroCompiler) scalar(n *avro.SchemaNode, v any, path string) (Message, error) {
	if s, ok := v.(string); ok && strings.Contains(s, "{{") {
		return a.avroPlace(n, s, path)
	}
	text, err := plain(v)
	if err != nil {
		return nil, atField(path, err)
	}
	if _, quoted := v.(string); !quoted && n.Type == "string" {
		return nil, badField(path, "%s is no string; put it in quotes", text)
	}
	value, err := scalarOf(n, text)
	if err != nil {
		return nil, atField(path, err)
	}
	return encoded(n, value, path)
}

// avroPlace compiles a scalar with {{...}}.
func (a *avroCompiler) avroPlace(n *avro.SchemaNode, s, path string) (Message, error) {
	t, err := a.appender(s)
	if err != nil {
		return nil, atField(path, err)
	}
	if n.Type == "string" && n.LogicalType == "" {
		return Message{{render: func(dst []byte, op *drivers.Op) ([]byte, error) {
			start := len(dst)
			dst = t(dst, op)
			return insertWhole(dst, start, int64(len(dst)-start)), nil
		}}}, nil
	}
	schema, err := n.Schema()
	if err != nil {
		return nil, atField(path, err)
	}
	return a.tried(Message{{render: func(dst []byte, op *drivers.Op) ([]byte, error) {
		text := string(t(nil, op))
		if i, err := strconv.ParseInt(text, 10, 32); err == nil && (n.Type == "int" || n.Type == "long") {
			return whole(dst, i), nil
		}
		value, err := scalarOf(n, text)
		if err != nil {
			return dst, atField(path, err)
		}
		out, err := schema.AppendEncode(dst, value)
		if err != nil {
			return dst, atField(path, err)
		}
		return out, nil
	}}})
}

// insertWhole puts a number before dst[start:].
func insertWhole(dst []byte, start int, n int64) []byte {
	end := len(dst)
	dst = whole(dst, n) // makes room; the bytes are overwritten
	size := len(dst) - end
	copy(dst[start+size:], dst[start:end])
	whole(dst[:start], n)
	return dst
}

// plain is a scalar of the scenario as text.
func plain(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, int, int64, uint64, float64:
		text, err := json.Marshal(v)
		return string(text), err
	case nil:
		return "", fmt.Errorf("is null, and the schema does not allow that")
	}
	return "", fmt.Errorf("%v is no single value", v)
}

// scalarOf parses a text as a value of a type. For a logical type, text that is not a number is left to the schema's
// code.
func scalarOf(n *avro.SchemaNode, s string) (any, error) {
	switch n.Type {
	case "boolean":
		if s != "true" && s != "false" {
			return nil, fmt.Errorf("%q is no boolean", s)
		}
		return s == "true", nil
	case "int", "long":
		if _, err := strconv.ParseInt(s, 10, 64); err == nil {
			return json.Number(s), nil
		}
		if n.LogicalType == "" {
			return nil, fmt.Errorf("%q is no %s", s, n.Type)
		}
	case "float", "double":
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return nil, fmt.Errorf("%q is no %s", s, n.Type)
		}
		return json.Number(s), nil
	case "enum":
		if !slices.Contains(n.Symbols, s) {
			return nil, fmt.Errorf("%q is none of %s", s, strings.Join(n.Symbols, ", "))
		}
	case "bytes", "fixed":
		if n.LogicalType != "" {
			return s, nil // decimal: 12.50; uuid
		}
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, fmt.Errorf("%q is no base64", s)
		}
		return b, nil
	}
	return s, nil
}
