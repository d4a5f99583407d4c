package payload

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
)

// place compiles a scalar with {{...}}.
func (c *Compiler) place(field protoreflect.FieldDescriptor, s, path string) (Message, error) {
	t, err := c.appender(s)
	if err != nil {
		return nil, atField(path, err)
	}
	if field.Kind() == protoreflect.StringKind {
		tag := protowire.AppendTag(nil, field.Number(), protowire.BytesType)
		return Message{{render: func(dst []byte, op *drivers.Op) ([]byte, error) {
			dst = append(dst, tag...)
			start := len(dst)
			return insertLength(t(dst, op), start), nil
		}}}, nil
	}
	return c.tried(Message{{render: func(dst []byte, op *drivers.Op) ([]byte, error) {
		out, err := appendScalar(dst, field, string(t(nil, op)))
		if err != nil {
			return dst, atField(path, err)
		}
		return out, nil
	}}})
}

// Text compiles a template whose text is needed as a string.
func (c *Compiler) Text(s string) (func(op *drivers.Op) string, error) {
	t, err := c.appender(s)
	return func(op *drivers.Op) string { return string(t(nil, op)) }, err
}

// appender renders a template and appends the text to dst.
func (c *Compiler) appender(s string) (func(dst []byte, op *drivers.Op) []byte, error) {
	t, err := c.Dialect.Compile(s)
	if err != nil {
		return nil, err
	}
	return c.Render(t), nil
}

// Render gives a template a seed of its own. The result appends the text of an operation to dst.
func (c *Compiler) Render(t *drivers.Template) func(dst []byte, op *drivers.Op) []byte {
	own := *c.Env
	own.Seed = drivers.Draw(c.Env.Seed, c.places, textPlace)
	c.places++
	return func(dst []byte, op *drivers.Op) []byte { return t.Append(dst, &own, op) }
}

const textPlace = 1 << 61

// fixedScalar encodes a value without {{...}} by protobuf's JSON mapping.
func (c *Compiler) fixedScalar(field protoreflect.FieldDescriptor, v any, path string) (Message, error) {
	if v == nil {
		return nil, badField(path, "is null; only a whole field can be")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, atField(path, err)
	}
	b, err := scalarOfJSON(field, c.types(field.ContainingMessage()), text)
	if err != nil {
		return nil, badField(path, "%s is no %s", text, kindName(field))
	}
	return Message{{fixed: b}}, nil
}

// special compiles a message with a JSON form of its own: a timestamp as a string, a wrapper as its value.
func (c *Compiler) special(desc protoreflect.MessageDescriptor, v any, path string) (Message, error) {
	render, dynamic, err := c.value(v)
	if err != nil {
		return nil, atField(path, err)
	}
	options := protojson.UnmarshalOptions{Resolver: c.types(desc)}
	encode := func(op *drivers.Op) ([]byte, error) {
		text, err := json.Marshal(render(op))
		if err != nil {
			return nil, err
		}
		m := dynamicpb.NewMessage(desc)
		if err := options.Unmarshal(text, m); err != nil {
			return nil, badField(path, "%s is no %s: %w", text, desc.FullName(), err)
		}
		return proto.MarshalOptions{Deterministic: true}.Marshal(m)
	}
	if dynamic {
		return c.tried(Message{{render: func(dst []byte, op *drivers.Op) ([]byte, error) {
			b, err := encode(op)
			return append(dst, b...), err
		}}})
	}
	b, err := encode(new(drivers.Op))
	return Message{{fixed: b}}, err
}

// Value compiles a tree whose strings may hold {{...}}, for comparison with what came.
func (c *Compiler) Value(v any) (render func(op *drivers.Op) any, err error) {
	render, _, err = c.value(v)
	return render, err
}

// value compiles a tree whose strings may hold {{...}}.
func (c *Compiler) value(v any) (render func(op *drivers.Op) any, dynamic bool, err error) {
	switch v := v.(type) {
	case string:
		if !strings.Contains(v, "{{") {
			break
		}
		t, err := c.Text(v)
		return func(op *drivers.Op) any { return t(op) }, true, err
	case []any:
		list := make([]func(*drivers.Op) any, len(v))
		for i := range v {
			var d bool
			if list[i], d, err = c.value(v[i]); err != nil {
				return nil, false, err
			}
			dynamic = dynamic || d
		}
		return func(op *drivers.Op) any {
			out := make([]any, len(list))
			for i := range list {
				out[i] = list[i](op)
			}
			return out
		}, dynamic, nil
	case map[string]any, map[any]any:
		return c.tree(v)
	}
	return func(*drivers.Op) any { return v }, false, nil
}

func (c *Compiler) tree(v any) (render func(op *drivers.Op) any, dynamic bool, err error) {
	fields, err := Map(v)
	if err != nil {
		return nil, false, err
	}
	inner := make(map[string]func(*drivers.Op) any, len(fields))
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		var d bool
		if inner[key], d, err = c.value(fields[key]); err != nil {
			return nil, false, err
		}
		dynamic = dynamic || d
	}
	return func(op *drivers.Op) any {
		out := make(map[string]any, len(inner))
		for key, f := range inner {
			out[key] = f(op)
		}
		return out
	}, dynamic, nil
}

// Map accepts the maps that YAML decoders make.
func Map(v any) (map[string]any, error) {
	switch v := v.(type) {
	case map[string]any:
		return v, nil
	case map[any]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[fmt.Sprint(key)] = value
		}
		return out, nil
	}
	return nil, fmt.Errorf("%v is no mapping", v)
}

// isSpecial reports whether a message has a JSON form of its own.
func isSpecial(desc protoreflect.MessageDescriptor) bool {
	if desc.ParentFile().Package() != "google.protobuf" {
		return false
	}
	switch desc.Name() {
	case "Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "Any", "Empty",
		"DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue":
		return true
	}
	return false
}
