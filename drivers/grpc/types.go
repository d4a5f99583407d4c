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
	"github.com/bufbuild/protocompile/reporter"
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

// typeFiles are the files that define the method.
type typeFiles struct {
	find     func(protoreflect.FullName) protoreflect.Descriptor
	services []string
	types    *dynamicpb.Types
}

// methodOf finds the method's descriptor in files, or asks the target for it.
func (d *driver) methodOf(ctx context.Context, c *Config) (protoreflect.MethodDescriptor, error) {
	if len(c.Protos) == 0 && c.Descriptors == "" {
		return d.ask(ctx, c)
	}
	files, err := c.readTypes(ctx, d.env.Files)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	d.types = files.types
	method, err := files.method(c.Method)
	if err != nil {
		return nil, fmt.Errorf("%w: method: %w", drivers.ErrConfig, err)
	}
	return method, nil
}

// readTypes reads the files. An error names the field.
func (c *Config) readTypes(ctx context.Context, folder string) (*typeFiles, error) {
	if len(c.Protos) == 0 {
		return readDescriptors(drivers.ResolvePath(folder, c.Descriptors))
	}
	names, paths := c.sources(folder)
	files, err := compileProtos(ctx, names, paths, nil)
	if err != nil {
		return nil, fmt.Errorf("protos: %w (looked in %s)", err, strings.Join(paths, ", "))
	}
	return files, nil
}

// method finds a method by package.Service/Method.
func (f *typeFiles) method(text string) (protoreflect.MethodDescriptor, error) {
	name, method, err := cutMethod(text)
	if err != nil {
		return nil, err
	}
	service, ok := f.find(protoreflect.FullName(name)).(protoreflect.ServiceDescriptor)
	if !ok {
		have := "none"
		if len(f.services) > 0 {
			have = strings.Join(slices.Sorted(slices.Values(f.services)), ", ")
		}
		return nil, fmt.Errorf("no service %s in the files; they have %s", name, have)
	}
	return pick(service, method)
}

// sources are the names of the protos, and the folders in which they are looked for.
func (c *Config) sources(folder string) (names, paths []string) {
	paths = []string{folder}
	if len(c.ImportPaths) > 0 {
		paths = nil
	}
	for _, p := range c.ImportPaths {
		paths = append(paths, drivers.ResolvePath(folder, p))
	}
	names = make([]string, len(c.Protos))
	for i, name := range c.Protos {
		names[i], paths = withinPaths(name, paths)
	}
	return names, paths
}

// compileProtos compiles .proto files, by their names within the import paths. report takes every error with its place; nil: the
// first one ends it.
func compileProtos(ctx context.Context, names, paths []string, report reporter.ErrorReporter) (*typeFiles, error) {
	compiler := protocompile.Compiler{Resolver: protoResolver(paths, openProto)}
	if report != nil {
		compiler.Reporter = reporter.NewReporter(report, nil)
	}
	files, err := compiler.Compile(ctx, names...)
	if err != nil {
		return nil, err
	}
	out := &typeFiles{find: func(name protoreflect.FullName) protoreflect.Descriptor {
		for _, f := range files {
			if d := f.FindDescriptorByName(name); d != nil {
				return d
			}
		}
		return nil
	}}
	all := make([]protoreflect.FileDescriptor, len(files))
	for i, f := range files {
		all[i] = f
		out.learn(f)
	}
	out.types = payload.TypesOf(all...)
	return out, nil
}

// learn notes the services of a file.
func (f *typeFiles) learn(file protoreflect.FileDescriptor) {
	for i := range file.Services().Len() {
		f.services = append(f.services, string(file.Services().Get(i).FullName()))
	}
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
func readDescriptors(path string) (*typeFiles, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("descriptors: %w", err)
	}
	if info.Size() > maxDescriptors {
		return nil, fmt.Errorf("descriptors: %s is larger than %s", path, drivers.Bytes(maxDescriptors))
	}
	raw, err := drivers.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("descriptors: %w", err)
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal([]byte(raw), set); err != nil {
		return nil, fmt.Errorf("descriptors: %s is no descriptor set: %w", path, err)
	}
	if err := complete(set); err != nil {
		return nil, fmt.Errorf("descriptors: %s: %w", path, err)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("descriptors: %s: %w", path, err)
	}
	out := &typeFiles{types: payload.TypesIn(files), find: func(name protoreflect.FullName) protoreflect.Descriptor {
		d, err := files.FindDescriptorByName(name)
		if err != nil {
			return nil
		}
		return d
	}}
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		out.learn(f)
		return true
	})
	return out, nil
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
