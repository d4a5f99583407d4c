package shop

import (
	"context"
	_ "embed"
	"fmt"
	"sync"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

//go:embed inventory.proto
var inventoryProto string

const (
	inventoryFile    = "shop/v1/inventory.proto"
	inventoryService = "shop.v1.Inventory"
)

// inventorySchema compiles inventory.proto once. The shop has no generated code, so Go alone builds it.
var inventorySchema = sync.OnceValues(func() (schema, error) {
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{inventoryFile: inventoryProto}),
	}}
	files, err := compiler.Compile(context.Background(), inventoryFile)
	if err != nil {
		return schema{}, fmt.Errorf("shop: compile %s: %w", inventoryFile, err)
	}
	return schema{files[0]}, nil
})

// schema is the compiled inventory.proto.
type schema struct{ file protoreflect.FileDescriptor }

// message returns an empty message. name must be a message of inventory.proto.
func (s schema) message(name protoreflect.Name) record {
	return record{dynamicpb.NewMessage(s.file.Messages().ByName(name))}
}

// record reads and writes the fields of a message by name. The names must be fields of inventory.proto.
type record struct{ *dynamicpb.Message }

func (r record) field(name protoreflect.Name) protoreflect.FieldDescriptor {
	return r.Descriptor().Fields().ByName(name)
}

func (r record) text(name protoreflect.Name) string  { return r.Get(r.field(name)).String() }
func (r record) number(name protoreflect.Name) int64 { return r.Get(r.field(name)).Int() }

func (r record) with(name protoreflect.Name, value any) record {
	r.Set(r.field(name), protoreflect.ValueOf(value))
	return r
}

// resolver serves reflection: the inventory's own file, then the files linked into the program (health, reflection).
type resolver struct{ own *protoregistry.Files }

func newResolver(s schema) (protodesc.Resolver, error) {
	own := &protoregistry.Files{}
	if err := own.RegisterFile(s.file); err != nil {
		return nil, fmt.Errorf("shop: register %s: %w", inventoryFile, err)
	}
	return resolver{own}, nil
}

func (r resolver) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if file, err := r.own.FindFileByPath(path); err == nil {
		return file, nil
	}
	return protoregistry.GlobalFiles.FindFileByPath(path)
}

func (r resolver) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d, err := r.own.FindDescriptorByName(name); err == nil {
		return d, nil
	}
	return protoregistry.GlobalFiles.FindDescriptorByName(name)
}
