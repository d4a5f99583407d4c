package grpc

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	v1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/payload"
)

// The file of the method does not import the types of client.proto: only the target knows them.
var anyFiles = map[string]string{
	"service.proto": `syntax = "proto2"; package k; import "google/protobuf/any.proto";
message In { optional google.protobuf.Any payload = 1; repeated google.protobuf.Any more = 2; extensions 100 to 199; }
message Out {}
service S { rpc Do(In) returns (Out); }`,
	"client.proto": `syntax = "proto2"; package k; import "service.proto"; import "address.proto";
message Client { optional string client_id = 1; optional Address address = 2; }
extend In { optional int32 rank = 100; }`,
	"address.proto": `syntax = "proto2"; package k; message Address { optional string street = 1; }`,
}

// anyTarget serves k.S, tells all its types by reflection, and hands on what it gets, as JSON.
func anyTarget(t *testing.T) (address string, got <-chan string) {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(anyFiles)})}
	files, err := compiler.Compile(t.Context(), "service.proto", "client.proto")
	if err != nil {
		t.Fatal(err)
	}
	types := payload.TypesOf(files[0], files[1])
	in := files[0].Messages().ByName("In")
	heard := make(chan string, 1)
	server := grpc.NewServer(grpc.ForceServerCodecV2(serverCodec{}))
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "k.S", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Do", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			m := dynamicpb.NewMessage(in)
			if err := decode(m); err != nil {
				return nil, err
			}
			raw, err := proto.Marshal(m)
			if err != nil {
				return nil, err
			}
			if err := (proto.UnmarshalOptions{Resolver: types}).Unmarshal(raw, m); err != nil { // its extensions
				return nil, err
			}
			text, err := protojson.MarshalOptions{Resolver: types}.Marshal(m)
			if err != nil {
				return nil, err
			}
			heard <- strings.ReplaceAll(string(text), " ", "")
			return []byte{}, nil
		},
	}}}, struct{}{})
	v1.RegisterServerReflectionServer(server, reflection.NewServerV1(reflection.ServerOptions{Services: server, DescriptorResolver: files.AsResolver()}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() { server.Stop(); <-served })
	return l.Addr().String(), heard
}

// An Any holds a type that only the target knows, by server reflection, also one within another and in a list; so with
// extensions. A type that the target does not know either is an error.
func TestTypesThatOnlyReflectionKnows(t *testing.T) {
	const client = "type.googleapis.com/k.Client"
	type values = map[string]any
	for name, tt := range map[string]struct {
		message values
		want    string // of the target, or of the error
	}{
		"any":              {values{"payload": values{"@type": client, "clientId": "c", "address": values{"street": "s"}}}, `{"payload":{"@type":"type.googleapis.com/k.Client","clientId":"c","address":{"street":"s"}}}`},
		"in a list":        {values{"more": []any{values{"@type": client, "clientId": "{{seq}}"}}}, `{"more":[{"@type":"type.googleapis.com/k.Client","clientId":"7"}]}`},
		"any of any":       {values{"payload": values{"@type": "type.googleapis.com/google.protobuf.Any", "value": values{"@type": client, "clientId": "c"}}}, `{"payload":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/k.Client","clientId":"c"}}}`},
		"of Protobuf's":    {values{"payload": values{"@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s"}}, `{"payload":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"3s"}}`},
		"extension":        {values{"[k.rank]": 3}, `{"[k.rank]":3}`},
		"not known at all": {values{"payload": values{"@type": "type.googleapis.com/k.Nobody"}}, "k.Nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			address, got := anyTarget(t)
			c := &Config{Target: address, Method: "k.S/Do", Message: tt.message}
			d, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
			if name == "not known at all" {
				if !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q in it", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if at := do(t, d, drivers.Op{Seq: 7}); at.Outcome != drivers.Acked {
				t.Fatalf("%+v", at)
			}
			if heard := <-got; heard != tt.want {
				t.Errorf("the target got %s", heard)
			}
		})
	}
}
