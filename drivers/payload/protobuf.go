// Package payload renders the messages of operations from values of the scenario, with {{...}} in their strings, as
// Protobuf or as Avro.
package payload

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
)

// Message renders messages directly in protobuf's wire format. Fixed parts are encoded once; only fields with {{...}}
// are encoded per operation. It is read only once compiled, and safe for concurrent use.
type Message []part

// part is fixed bytes, or a function that renders them. An error means that a rendered value does not fit its field.
type part struct {
	fixed  []byte
	render func(dst []byte, op *drivers.Op) ([]byte, error)
}

// Append appends the message of an operation to dst. An error means that a rendered value does not fit its field; dst
// then holds a part of the message.
func (m Message) Append(dst []byte, op *drivers.Op) ([]byte, error) {
	var err error
	for i := range m {
		dst = append(dst, m[i].fixed...)
		if m[i].render == nil {
			continue
		}
		if dst, err = m[i].render(dst, op); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Behind returns the message with fixed bytes before it.
func (m Message) Behind(fixed []byte) Message { return Message{{fixed: fixed}}.join(m) }

// join adds parts. Adjacent fixed parts become one.
func (m Message) join(parts Message) Message {
	for _, p := range parts {
		if last := len(m) - 1; last >= 0 && p.render == nil && m[last].render == nil {
			m[last].fixed = append(m[last].fixed, p.fixed...)
			continue
		}
		m = append(m, p)
	}
	return m
}

// isFixed reports whether every operation renders the same bytes.
func (m Message) isFixed() bool {
	return len(m) == 0 || len(m) == 1 && m[0].render == nil
}

// Compiler compiles values of the scenario into messages. Errors name the field; for an unknown field they list the
// allowed ones. One goroutine uses it.
type Compiler struct {
	Env *drivers.Env
	// Dialect has the names of templates beside the built-in ones.
	Dialect drivers.Dialect
	// Types are those that an Any and extensions may name. nil: those of the file of the first message that is compiled, and
	// of its imports.
	Types *dynamicpb.Types
	// Problem takes the errors of fields. Compiling then goes on with the next field, tries each place with {{...}} once, and
	// leaves out texts that still hold ${...}. nil: the first error ends it.
	Problem func(path, message string)
	// Later says that a text cannot be rendered before an operation took earlier steps: with Problem it is left out too. nil: every
	// text can.
	Later  func(text string) bool
	late   bool   // a text was left out
	places uint64 // templates so far; each has a seed of its own, so that two {{uuid}} differ
}

// Protobuf compiles a message; path is its name in errors. Strings may hold {{...}}, also for fields that are not
// strings.
func (c *Compiler) Protobuf(desc protoreflect.MessageDescriptor, v any, path string) (Message, error) {
	if v == nil || c.unknown(v) {
		return nil, nil
	}
	if binary, ok := v.(Binary); ok {
		return binary.message(desc, path)
	}
	types := c.types(desc)
	if isSpecial(desc) {
		if c.holdsUnknown(v) {
			return nil, nil
		}
		return c.special(desc, v, path)
	}
	fields, err := Map(v)
	if err != nil {
		return nil, badField(path, "%w: it is a %s", err, desc.FullName())
	}
	var out Message
	chosen := make(map[protoreflect.Name]string)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] == nil {
			continue
		}
		parts, err := c.named(desc, types, chosen, name, fields[name], strings.TrimPrefix(path+"."+name, "."))
		if err := c.told(err); err != nil {
			return nil, err
		}
		out = out.join(parts)
	}
	return out, nil
}

// named compiles the field of that name. chosen are the fields so far, by their oneof.
func (c *Compiler) named(desc protoreflect.MessageDescriptor, types *dynamicpb.Types, chosen map[protoreflect.Name]string, name string, v any, at string) (Message, error) {
	field := FindField(desc, name)
	if inner, ok := strings.CutPrefix(name, "["); ok {
		field = extension(types, desc, strings.TrimSuffix(inner, "]"))
	}
	if field == nil {
		return nil, badField(at, "%s has no such field; it has %s", desc.FullName(), FieldNames(desc))
	}
	if one := field.ContainingOneof(); one != nil {
		if other := chosen[one.Name()]; other != "" {
			return nil, badField(at, "stands beside %s; only one of %s can be set", other, one.Name())
		}
		chosen[one.Name()] = name
	}
	return c.field(field, v, at)
}

func (c *Compiler) field(field protoreflect.FieldDescriptor, v any, path string) (Message, error) {
	if c.unknown(v) {
		return nil, nil
	}
	switch {
	case field.IsMap():
		return c.entries(field, v, path)
	case field.IsList():
		list, ok := v.([]any)
		if !ok {
			return nil, badField(path, "is a list; write [...]")
		}
		var out Message
		for i, e := range list {
			parts, err := c.element(field, e, fmt.Sprintf("%s[%d]", path, i))
			if err := c.told(err); err != nil {
				return nil, err
			}
			out = out.join(parts)
		}
		return out, nil
	}
	return c.element(field, v, path)
}

// entries compiles a map field: a list of messages with a key and a value.
func (c *Compiler) entries(field protoreflect.FieldDescriptor, v any, path string) (Message, error) {
	entries, err := Map(v)
	if err != nil {
		return nil, badField(path, "%w: it is a map", err)
	}
	var out Message
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		at := fmt.Sprintf("%s[%q]", path, key)
		k, err := c.element(field.MapKey(), mapKey(field.MapKey(), key), at)
		if err := c.told(err); err != nil {
			return nil, err
		}
		v, err := c.element(field.MapValue(), entries[key], at)
		if err := c.told(err); err != nil {
			return nil, err
		}
		out = out.join(nested(field, k.join(v)))
	}
	return out, nil
}

// mapKey converts a key to the field's type. YAML may have read the key as any type.
func mapKey(field protoreflect.FieldDescriptor, key string) any {
	if field.Kind() == protoreflect.BoolKind {
		switch key {
		case "true":
			return true
		case "false":
			return false
		}
	}
	return key
}

// element compiles one value: a plain field, an element of a list, or a value of a map.
func (c *Compiler) element(field protoreflect.FieldDescriptor, v any, path string) (Message, error) {
	if c.unknown(v) {
		return nil, nil
	}
	switch field.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		inner, err := c.Protobuf(field.Message(), v, path)
		if err != nil {
			return nil, err
		}
		if field.Kind() == protoreflect.GroupKind {
			return delimited(field, inner), nil
		}
		return nested(field, inner), nil
	}
	if s, ok := v.(string); ok && strings.Contains(s, "{{") {
		return c.place(field, s, path)
	}
	return c.fixedScalar(field, v, path)
}

// extension finds an extension of a message by its full name; nil: there is none.
func extension(types *dynamicpb.Types, desc protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	t, err := types.FindExtensionByName(protoreflect.FullName(name))
	if err != nil || t.TypeDescriptor().ContainingMessage().FullName() != desc.FullName() {
		return nil
	}
	return t.TypeDescriptor()
}

// delimited writes a message within a message, between two tags: a group, or a DELIMITED field of editions.
func delimited(field protoreflect.FieldDescriptor, inner Message) Message {
	start := Message{{fixed: protowire.AppendTag(nil, field.Number(), protowire.StartGroupType)}}
	return start.join(inner).join(Message{{fixed: protowire.AppendTag(nil, field.Number(), protowire.EndGroupType)}})
}

// nested writes a message within a message, with its length before it.
func nested(field protoreflect.FieldDescriptor, inner Message) Message {
	tag := protowire.AppendTag(nil, field.Number(), protowire.BytesType)
	if inner.isFixed() {
		b, _ := inner.Append(nil, nil) // fixed bytes do not fail
		return Message{{fixed: protowire.AppendBytes(tag, b)}}
	}
	return Message{{render: func(dst []byte, op *drivers.Op) ([]byte, error) {
		dst = append(dst, tag...)
		start := len(dst)
		dst, err := inner.Append(dst, op)
		if err != nil {
			return dst, err
		}
		return insertLength(dst, start), nil
	}}}
}

// insertLength puts the length of dst[start:] before it.
func insertLength(dst []byte, start int) []byte {
	n := len(dst) - start
	dst = protowire.AppendVarint(dst, uint64(n)) // makes room; the bytes are overwritten
	copy(dst[start+protowire.SizeVarint(uint64(n)):], dst[start:start+n])
	protowire.AppendVarint(dst[:start], uint64(n))
	return dst
}

// FindField finds a field by its name in the .proto file, or by its JSON name.
func FindField(desc protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := desc.Fields().ByName(protoreflect.Name(name)); f != nil {
		return f
	}
	return desc.Fields().ByJSONName(name)
}

// FieldNames lists the fields of a message.
func FieldNames(desc protoreflect.MessageDescriptor) string {
	var names []string
	for i := range desc.Fields().Len() {
		names = append(names, desc.Fields().Get(i).JSONName())
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
