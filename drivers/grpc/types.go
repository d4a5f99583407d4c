package grpc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
	"wringer/drivers/payload"
)

// maxDescriptors bounds a descriptor set's file.
const maxDescriptors = 64 << 20

// checkTypes checks the source of the method's types.
func (c *Config) checkTypes(problem func(field, message string)) {
	if len(c.Protos) > 0 && c.Descriptors != "" {
		problem("descriptors", "stands beside protos; keep one of the two")
	}
	if len(c.ImportPaths) > 0 && len(c.Protos) == 0 {
		problem("import_paths", "goes with protos")
	}
	if slices.Contains(c.Protos, "") {
		problem("protos", "holds an empty name")
	}
}

// method finds the method's descriptor in files, or asks the target for it.
func (d *driver) methodOf(ctx context.Context, c *Config) (protoreflect.MethodDescriptor, error) {
	var find func(protoreflect.FullName) protoreflect.Descriptor
	var err error
	switch {
	case len(c.Protos) > 0:
		find, d.types, err = compileProtos(ctx, c, d.env.Files)
	case c.Descriptors != "":
		find, d.types, err = readDescriptors(drivers.ResolvePath(d.env.Files, c.Descriptors))
	default:
		return d.ask(ctx, c)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	name, method, err := cutMethod(c.Method)
	if err != nil {
		return nil, fmt.Errorf("%w: method: %w", drivers.ErrConfig, err)
	}
	service, ok := find(protoreflect.FullName(name)).(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%w: method: no service %s in the files", drivers.ErrConfig, name)
	}
	return pick(service, method)
}

// compileProtos compiles .proto files, by their names within the import paths.
func compileProtos(ctx context.Context, c *Config, folder string) (func(protoreflect.FullName) protoreflect.Descriptor, *dynamicpb.Types, error) {
	paths := []string{folder}
	if len(c.ImportPaths) > 0 {
		paths = nil
	}
	for _, p := range c.ImportPaths {
		paths = append(paths, drivers.ResolvePath(folder, p))
	}
	names := make([]string, len(c.Protos))
	for i, name := range c.Protos {
		names[i], paths = withinPaths(name, paths)
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: paths})}
	files, err := compiler.Compile(ctx, names...)
	if err != nil {
		return nil, nil, fmt.Errorf("protos: %w (looked in %s)", err, strings.Join(paths, ", "))
	}
	all := make([]protoreflect.FileDescriptor, len(files))
	for i, f := range files {
		all[i] = f
	}
	return func(name protoreflect.FullName) protoreflect.Descriptor {
		for _, f := range files {
			if d := f.FindDescriptorByName(name); d != nil {
				return d
			}
		}
		return nil
	}, payload.TypesOf(all...), nil
}

// withinPaths returns the name of a file within the import paths. The folder of an absolute one is searched last, for its
// imports, and for itself where it lies in none of the paths.
func withinPaths(name string, paths []string) (string, []string) {
	if !filepath.IsAbs(name) {
		return name, paths
	}
	more := append(slices.Clone(paths), filepath.Dir(name))
	for _, p := range paths {
		whole, err := filepath.Abs(p)
		if err != nil {
			continue
		}
		if inner, err := filepath.Rel(whole, name); err == nil && filepath.IsLocal(inner) {
			return filepath.ToSlash(inner), more
		}
	}
	return filepath.Base(name), more
}

// readDescriptors reads a FileDescriptorSet as written by protoc --descriptor_set_out and buf build. The set may omit
// the files that come with protobuf.
func readDescriptors(path string) (func(protoreflect.FullName) protoreflect.Descriptor, *dynamicpb.Types, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("descriptors: %w", err)
	}
	if info.Size() > maxDescriptors {
		return nil, nil, fmt.Errorf("descriptors: %s is larger than %s", path, drivers.Bytes(maxDescriptors))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("descriptors: %w", err)
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(raw, set); err != nil {
		return nil, nil, fmt.Errorf("descriptors: %s is no descriptor set: %w", path, err)
	}
	if err := complete(set); err != nil {
		return nil, nil, fmt.Errorf("descriptors: %s: %w", path, err)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, nil, fmt.Errorf("descriptors: %s: %w", path, err)
	}
	return func(name protoreflect.FullName) protoreflect.Descriptor {
		d, err := files.FindDescriptorByName(name)
		if err != nil {
			return nil
		}
		return d
	}, payload.TypesIn(files), nil
}

// complete adds the files that the set needs and that are known here.
func complete(set *descriptorpb.FileDescriptorSet) error {
	have := make(map[string]bool)
	for _, f := range set.File {
		have[f.GetName()] = true
	}
	for i := 0; i < len(set.File); i++ { // the set grows in the loop
		for _, name := range set.File[i].GetDependency() {
			if have[name] {
				continue
			}
			known, err := protoregistry.GlobalFiles.FindFileByPath(name)
			if err != nil {
				return errors.New(name + " is missing: write the set with its imports (protoc --include_imports)")
			}
			have[name] = true
			set.File = append(set.File, protodesc.ToFileDescriptorProto(known))
		}
	}
	return nil
}
