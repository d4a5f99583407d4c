package draft

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Methods writes a stream for each method. target is host:port; types are the keys of the grpc part that tell where the method's types
// are defined, none for server reflection.
func Methods(methods []protoreflect.MethodDescriptor, target string, types yaml.MapSlice, from string) (*Scenario, error) {
	if len(methods) == 0 {
		return nil, errors.New("has no service with methods")
	}
	out := &Scenario{Name: Named(string(methods[0].Parent().Name())), From: from, Vars: yaml.MapSlice{item("target", target)}}
	for _, m := range methods {
		if len(out.Streams) == MaxOperations {
			out.Notes = append(out.Notes, "Left out: "+string(m.FullName())+".")
			continue
		}
		out.add(method(m, types))
	}
	return out, nil
}

func method(m protoreflect.MethodDescriptor, types yaml.MapSlice) Stream {
	part := yaml.MapSlice{item("target", "${target}"), item("method", string(m.Parent().FullName())+"/"+string(m.Name()))}
	part = append(part, types...)
	message := messageOf(m.Input(), 0)
	st := Stream{Name: string(m.Name()), About: string(m.FullName()), Gates: usualGates}
	if len(message) > 0 {
		part = append(part, item("message", message))
	}
	if m.IsStreamingClient() {
		part = append(part, item("stream", yaml.MapSlice{item("messages", 3)}))
		st.Notes = []string{"Each operation is one call, and sends three messages."}
	}
	st.Body = paced(yaml.MapSlice{item("grpc", part)})
	return st
}

// messageOf has a value for each field. Of the fields of a oneof it has the first.
func messageOf(d protoreflect.MessageDescriptor, depth int) yaml.MapSlice {
	out := yaml.MapSlice{}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if one := f.ContainingOneof(); one != nil && one.Fields().Get(0) != f {
			continue
		}
		if v := fieldValue(f, depth); v != nil {
			out = append(out, item(f.JSONName(), v))
		}
	}
	return out
}

// fieldValue is one that the field's type takes; nil: the field stays absent.
func fieldValue(f protoreflect.FieldDescriptor, depth int) any {
	if f.IsMap() || depth > deepest {
		return nil
	}
	v := scalarValue(f, depth)
	if f.IsList() && v != nil {
		return []any{v}
	}
	return v
}

func scalarValue(f protoreflect.FieldDescriptor, depth int) any {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return true
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		return string(values.Get(min(1, values.Len()-1)).Name()) // the first means that nothing was chosen
	case protoreflect.StringKind:
		name := strings.ToLower(string(f.Name()))
		if name == "id" || strings.HasSuffix(name, "_id") && f.Index() == 0 {
			return "{{id}}"
		}
		return "{{string 8}}"
	case protoreflect.BytesKind:
		return "dGV4dA=="
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return 1.5
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return nested(f.Message(), depth)
	}
	return "{{int 1 100}}"
}

// nested is a message within another. Of the types with a JSON form of their own those are known that services use.
func nested(d protoreflect.MessageDescriptor, depth int) any {
	if d.ParentFile().Package() != "google.protobuf" {
		return messageOf(d, depth+1)
	}
	switch d.Name() {
	case "Timestamp":
		return "{{timestamp}}"
	case "Duration":
		return "1s"
	case "StringValue":
		return "text"
	case "BoolValue":
		return true
	case "Int32Value", "Int64Value", "UInt32Value", "UInt64Value", "DoubleValue", "FloatValue":
		return 1
	}
	return nil
}
