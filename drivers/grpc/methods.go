package grpc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	rpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"wringer/drivers"
)

// Methods lists the methods of all services that files define, or that the target tells by server reflection, in the order of their
// names. Those of gRPC itself (reflection, health) are left out. Method is not needed. It dials the target, unless files are named, and
// returns when ctx ends. Errors wrap ErrUnreachable or ErrConfig.
func (c *Config) Methods(ctx context.Context, env drivers.Env) ([]protoreflect.MethodDescriptor, error) {
	if len(c.Protos) > 0 || c.Descriptors != "" {
		files, err := c.readTypes(ctx, env.Files)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
		}
		var out []protoreflect.MethodDescriptor
		for _, name := range files.services {
			if d, ok := files.find(protoreflect.FullName(name)).(protoreflect.ServiceDescriptor); ok {
				out = append(out, methodsOf(d)...)
			}
		}
		return out, nil
	}
	d := &driver{env: env, secure: c.TLS != nil}
	options, err := d.dialOptions(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	conn, err := c.connect(options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, version := range []string{"v1", "v1alpha"} {
		var r *reflector
		var out []protoreflect.MethodDescriptor
		if r, err = newReflector(ctx, conn, version); err == nil {
			out, err = r.methods()
		}
		if err == nil {
			return out, nil
		}
		if status.Code(err) != codes.Unimplemented {
			break
		}
	}
	return nil, reflectionError(err)
}

// reflectionError puts the end of a question to a target in words.
func reflectionError(err error) error {
	switch {
	case errors.Is(err, drivers.ErrConfig):
		return err
	case status.Code(err) == codes.Unimplemented:
		return fmt.Errorf("%w: the target does not offer server reflection, which tells the methods; switch it on there, or name a .proto file", drivers.ErrConfig)
	}
	return fmt.Errorf("%w: server reflection: %w", drivers.ErrUnreachable, err)
}

// methods asks for all services, and then for the types of each.
func (r *reflector) methods() ([]protoreflect.MethodDescriptor, error) {
	answer, err := r.ask(&rpb.ServerReflectionRequest{MessageRequest: &rpb.ServerReflectionRequest_ListServices{}})
	if err != nil {
		return nil, err
	}
	var out []protoreflect.MethodDescriptor
	for _, s := range answer.GetListServicesResponse().GetService() {
		if strings.HasPrefix(s.GetName(), "grpc.") {
			continue
		}
		d, _, err := r.service(s.GetName(), nil)
		if err != nil {
			return nil, err
		}
		out = append(out, methodsOf(d)...)
	}
	return out, nil
}

func methodsOf(d protoreflect.ServiceDescriptor) (out []protoreflect.MethodDescriptor) {
	for i := range d.Methods().Len() {
		out = append(out, d.Methods().Get(i))
	}
	return out
}
