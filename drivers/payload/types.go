package payload

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// TypesOf gathers the types of files and of all that they import. A file whose name or types stand there already is left out.
func TypesOf(files ...protoreflect.FileDescriptor) *dynamicpb.Types {
	all := new(protoregistry.Files)
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if _, err := all.FindFileByPath(f.Path()); err == nil {
			return
		}
		for i := range f.Imports().Len() {
			if imported := f.Imports().Get(i); !imported.IsPlaceholder() {
				add(imported.FileDescriptor)
			}
		}
		_ = all.RegisterFile(f) // a conflict leaves the first one
	}
	for _, f := range files {
		add(f)
	}
	for _, name := range []string{"google/protobuf/wrappers.proto", "google/protobuf/timestamp.proto", "google/protobuf/duration.proto",
		"google/protobuf/struct.proto", "google/protobuf/empty.proto", "google/protobuf/field_mask.proto", "google/protobuf/any.proto"} {
		if f, err := protoregistry.GlobalFiles.FindFileByPath(name); err == nil {
			add(f) // what an Any often holds
		}
	}
	return dynamicpb.NewTypes(all)
}

// types are those that values may name: in "@type" of an Any, and extensions.
func (c *Compiler) types(desc protoreflect.MessageDescriptor) *dynamicpb.Types {
	if c.Types == nil {
		c.Types = TypesOf(desc.ParentFile())
	}
	return c.Types
}

// TypesIn are TypesOf all files of a registry.
func TypesIn(files *protoregistry.Files) *dynamicpb.Types {
	var all []protoreflect.FileDescriptor
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		all = append(all, f)
		return true
	})
	return TypesOf(all...)
}

// AnyTypes lists the types that the values of a scenario name in "@type", and the extensions that they name.
func AnyTypes(v any) (names []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			names = append(names, AnyTypes(e)...)
		}
	case map[string]any, map[any]any:
		fields, _ := Map(v) // v is a map
		for name, e := range fields {
			if url, ok := e.(string); ok && name == "@type" {
				names = append(names, url[strings.LastIndex(url, "/")+1:])
				continue
			}
			if extension, ok := strings.CutPrefix(name, "["); ok {
				names = append(names, strings.TrimSuffix(extension, "]"))
			}
			names = append(names, AnyTypes(e)...)
		}
	}
	return names
}
