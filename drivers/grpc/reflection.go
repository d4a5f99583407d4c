package grpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	rpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
	"wringer/drivers/payload"
)

const (
	// maxFiles and maxFileBytes bound the types that a target can make us load.
	maxFiles     = 4096
	maxFileBytes = 16 << 20
)

// reflector asks a target for its types. v1 and v1alpha of the protocol differ only in their names.
type reflector struct {
	stream grpc.ClientStream
	files  map[string]*descriptorpb.FileDescriptorProto
}

// findMethod returns the descriptor of a method. Errors wrap ErrUnreachable or ErrConfig.
//
// wanted are the types that the messages name. Those that the target does not tell are left out.
func findMethod(ctx context.Context, conn *grpc.ClientConn, name string, wanted []string) (protoreflect.MethodDescriptor, *dynamicpb.Types, error) {
	service, method, err := cutMethod(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, version := range []string{"v1", "v1alpha"} {
		var r *reflector
		var d protoreflect.ServiceDescriptor
		var types *dynamicpb.Types
		if r, err = newReflector(ctx, conn, version); err == nil {
			d, types, err = r.service(service, wanted)
		}
		if err == nil {
			found, err := pick(d, method)
			if err != nil {
				err = fmt.Errorf("%w: %w", drivers.ErrConfig, err)
			}
			return found, types, err
		}
		if status.Code(err) != codes.Unimplemented {
			break
		}
	}
	switch {
	case errors.Is(err, drivers.ErrConfig):
		return nil, nil, err
	case status.Code(err) == codes.Unimplemented:
		return nil, nil, fmt.Errorf("%w: the target does not offer server reflection, which tells the method's types; switch it on there, or name protos or descriptors", drivers.ErrConfig)
	}
	return nil, nil, fmt.Errorf("%w: server reflection: %w", drivers.ErrUnreachable, err)
}

func newReflector(ctx context.Context, conn *grpc.ClientConn, version string) (*reflector, error) {
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := conn.NewStream(ctx, desc, "/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo",
		grpc.MaxCallRecvMsgSize(maxFileBytes))
	if err != nil {
		return nil, err
	}
	return &reflector{stream, make(map[string]*descriptorpb.FileDescriptorProto)}, nil
}

func (r *reflector) ask(question *rpb.ServerReflectionRequest) (*rpb.ServerReflectionResponse, error) {
	if err := r.stream.SendMsg(question); err != nil {
		// The stream has ended. Only a receive returns the reason.
		if err := r.stream.RecvMsg(new(rpb.ServerReflectionResponse)); err != nil {
			return nil, err
		}
		return nil, err
	}
	answer := new(rpb.ServerReflectionResponse)
	err := r.stream.RecvMsg(answer)
	return answer, err
}

// service loads the file of a service and all imports.
func (r *reflector) service(name string, wanted []string) (protoreflect.ServiceDescriptor, *dynamicpb.Types, error) {
	answer, err := r.ask(&rpb.ServerReflectionRequest{
		MessageRequest: &rpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name},
	})
	if err != nil {
		return nil, nil, err
	}
	if e := answer.GetErrorResponse(); e != nil {
		return nil, nil, r.unknownService(name, e)
	}
	if err := r.take(answer); err != nil {
		return nil, nil, err
	}
	for _, symbol := range wanted {
		answer, err := r.ask(&rpb.ServerReflectionRequest{
			MessageRequest: &rpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
		})
		if err != nil {
			return nil, nil, err
		}
		if err := r.take(answer); err != nil { // an error response holds no files
			return nil, nil, err
		}
	}
	if err := r.imports(); err != nil {
		return nil, nil, err
	}
	return r.link(name)
}

// unknownService is the error for an unknown service. It lists the services that exist.
func (r *reflector) unknownService(name string, e *rpb.ErrorResponse) error {
	answer, err := r.ask(&rpb.ServerReflectionRequest{MessageRequest: &rpb.ServerReflectionRequest_ListServices{}})
	if err != nil {
		return err
	}
	var names []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	slices.Sort(names)
	if len(names) == 0 || slices.Contains(names, name) {
		return fmt.Errorf("%w: service %s: the target does not tell its types: %s", drivers.ErrConfig, name, e.GetErrorMessage())
	}
	return fmt.Errorf("%w: no service %s at the target; it has %s", drivers.ErrConfig, name, strings.Join(names, ", "))
}

// take keeps the files of an answer.
func (r *reflector) take(answer *rpb.ServerReflectionResponse) error {
	for _, b := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := new(descriptorpb.FileDescriptorProto)
		if err := proto.Unmarshal(b, file); err != nil {
			return fmt.Errorf("file descriptor: %w", err)
		}
		r.files[file.GetName()] = file
	}
	if len(r.files) > maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	return nil
}

// imports asks for missing imports until there are none. Some servers leave out the files that come with protobuf;
// those are known here.
func (r *reflector) imports() error {
	for {
		name := r.missing()
		if name == "" {
			return nil
		}
		answer, err := r.ask(&rpb.ServerReflectionRequest{
			MessageRequest: &rpb.ServerReflectionRequest_FileByFilename{FileByFilename: name},
		})
		if err != nil {
			return err
		}
		if err := r.take(answer); err != nil {
			return err
		}
		if r.files[name] != nil {
			continue
		}
		known, err := protoregistry.GlobalFiles.FindFileByPath(name)
		if err != nil {
			return fmt.Errorf("%w: the target does not tell %s, which its types need", drivers.ErrConfig, name)
		}
		r.files[name] = protodesc.ToFileDescriptorProto(known)
	}
}

func (r *reflector) missing() string {
	for _, file := range r.files {
		for _, name := range file.GetDependency() {
			if r.files[name] == nil {
				return name
			}
		}
	}
	return ""
}

func (r *reflector) link(name string) (protoreflect.ServiceDescriptor, *dynamicpb.Types, error) {
	set := new(descriptorpb.FileDescriptorSet)
	for _, file := range r.files {
		set.File = append(set.File, file)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the target's types: %w", drivers.ErrConfig, err)
	}
	d, err := files.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: service %s: %w", drivers.ErrConfig, name, err)
	}
	service, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, nil, fmt.Errorf("%w: %s is no service", drivers.ErrConfig, name)
	}
	return service, payload.TypesIn(files), nil
}

// pick returns the method of a service.
func pick(service protoreflect.ServiceDescriptor, name string) (protoreflect.MethodDescriptor, error) {
	method := service.Methods().ByName(protoreflect.Name(name))
	if method == nil {
		var names []string
		for i := range service.Methods().Len() {
			names = append(names, string(service.Methods().Get(i).Name()))
		}
		slices.Sort(names)
		return nil, fmt.Errorf("no method %s in %s; it has %s", name, service.FullName(), strings.Join(names, ", "))
	}
	return method, nil
}
