package grpc

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection"
	v1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	v1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers/drivertest"
	"wringer/drivers/drivertest/tier"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m)
}

// shop holds the compiled test service.
var shop = sync.OnceValues(func() (linker.File, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"testdata"}}),
	}
	files, err := compiler.Compile(context.Background(), "shop.proto")
	if err != nil {
		return nil, err
	}
	return files[0], nil
})

func inventory(t testing.TB) protoreflect.ServiceDescriptor {
	t.Helper()
	file, err := shop()
	if err != nil {
		t.Fatal(err)
	}
	return file.Services().ByName("Inventory")
}

// Behaviours beside those of the suite.
const (
	undecodable drivertest.Behaviour = "OK with a message that does not decode"
	noMessage   drivertest.Behaviour = "OK without a message"
	wordsOf     drivertest.Behaviour = "a status in the words of gRPC's own"
)

// target is a gRPC server with a behaviour that tests choose.
type target struct {
	address  string
	service  protoreflect.ServiceDescriptor
	reflects []string
	options  []grpc.ServerOption
	mode     atomic.Value
	status   atomic.Pointer[status.Status] // the answer in mode Reject and Fail
	received atomic.Int64
	last     atomic.Pointer[dynamicpb.Message]
	header   atomic.Pointer[metadata.MD]
	hurried  atomic.Bool // the last call had a deadline
	released chan struct{}
	register func(*grpc.Server)                          // further services; nil: none
	answers  func() *status.Status                       // instead of status; nil: none
	says     func(in *dynamicpb.Message) ([]byte, error) // the answer of Reserve; nil: ok

	mu     sync.Mutex
	conns  map[string]net.Conn // by remote address
	server *grpc.Server
	served chan struct{}
}

func startTarget(t testing.TB, reflects []string, options ...grpc.ServerOption) *target {
	t.Helper()
	g := &target{address: "127.0.0.1:0", service: inventory(t), reflects: reflects, options: options,
		released: make(chan struct{})}
	g.begin(t)
	return g
}

func (g *target) begin(t testing.TB) {
	g.conns = make(map[string]net.Conn)
	g.mode.Store(drivertest.Answer)
	g.listen(t)
}

// listener keeps the connections that it accepts.
type listener struct {
	net.Listener
	g *target
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.g.mu.Lock()
		defer l.g.mu.Unlock()
		l.g.conns[c.RemoteAddr().String()] = c
	}
	return c, err
}

func (g *target) listen(t testing.TB) {
	l, err := net.Listen("tcp", g.address)
	if err != nil {
		t.Errorf("listen: %v", err)
		return
	}
	g.address = l.Addr().String()
	g.server = grpc.NewServer(append(g.options, grpc.ForceServerCodecV2(serverCodec{}))...)
	g.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: string(g.service.FullName()),
		HandlerType: (*any)(nil),
		// On the wire a unary call is a stream that a correct target answers with one message.
		Streams: []grpc.StreamDesc{
			{StreamName: "Reserve", ServerStreams: true, Handler: g.reserve},
			{StreamName: "Watch", ServerStreams: true, Handler: g.noting(g.watch)},
			{StreamName: "Upload", ClientStreams: true, Handler: g.noting(g.upload)},
			{StreamName: "Talk", ClientStreams: true, ServerStreams: true, Handler: g.noting(g.talk)},
		},
	}, struct{}{})
	if g.register != nil {
		g.register(g.server)
	}
	resolver := linker.Files{g.service.ParentFile().(linker.File)}.AsResolver()
	for _, version := range g.reflects {
		o := reflection.ServerOptions{Services: g.server, DescriptorResolver: resolver}
		if version == "v1" {
			v1.RegisterServerReflectionServer(g.server, reflection.NewServerV1(o))
		} else {
			v1alpha.RegisterServerReflectionServer(g.server, reflection.NewServer(o))
		}
	}
	g.served = make(chan struct{})
	go func(server *grpc.Server, served chan struct{}) {
		defer close(served)
		server.Serve(listener{l, g})
	}(g.server, g.served)
}

func (g *target) behave(t testing.TB) func(drivertest.Behaviour) {
	return func(b drivertest.Behaviour) {
		g.mode.Store(b)
		if b == drivertest.Nobody {
			g.stop()
		} else if g.server == nil {
			g.listen(t)
		}
	}
}

func (g *target) stop() {
	if g.server != nil {
		g.server.Stop()
		<-g.served
		g.server = nil
	}
}

func (g *target) close() {
	close(g.released)
	g.stop()
}

func (g *target) conn(ctx context.Context) *drivertest.RawConn {
	p, _ := peer.FromContext(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	return drivertest.NewRawConn(g.conns[p.Addr.String()])
}

// noting keeps the metadata of each call.
func (g *target) noting(handle grpc.StreamHandler) grpc.StreamHandler {
	return func(server any, stream grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(stream.Context())
		g.header.Store(&md)
		return handle(server, stream)
	}
}

func (g *target) reserve(_ any, stream grpc.ServerStream) error {
	in := dynamicpb.NewMessage(g.service.Methods().ByName("Reserve").Input())
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	ctx := stream.Context()
	md, _ := metadata.FromIncomingContext(ctx)
	g.last.Store(in)
	g.header.Store(&md)
	_, hurried := ctx.Deadline()
	g.hurried.Store(hurried)
	g.received.Add(1)
	if over, err := g.over(stream); over {
		return err
	}
	if g.says != nil {
		out, err := g.says(in)
		if err != nil {
			return err
		}
		return stream.SendMsg(out)
	}
	switch mode := g.behaviour(); mode {
	case wordsOf:
		return status.Error(codes.ResourceExhausted, "grpc: received message larger than max (9 vs. 1)")
	case noMessage:
		return nil
	default:
		return g.reply(stream, mode)
	}
}

// over applies the suite's behaviours to a call of any kind. It returns false if the call goes on.
func (g *target) over(stream grpc.ServerStream) (bool, error) {
	switch mode := g.behaviour(); mode {
	case drivertest.Reject:
		return true, g.answer(codes.FailedPrecondition)
	case drivertest.Fail:
		return true, g.answer(codes.Internal)
	case drivertest.Hang:
		// It does not wait for the context, which ends at the client's deadline: the answer would race with the
		// deadline.
		<-g.released
		return true, status.Error(codes.Unknown, "released")
	case drivertest.Close, drivertest.Cut, drivertest.Reset, drivertest.Garbage, drivertest.Endless:
		return true, g.reply(stream, mode)
	}
	return false, nil
}

func (g *target) answer(otherwise codes.Code) error {
	if g.answers != nil {
		return g.answers().Err()
	}
	if s := g.status.Load(); s != nil {
		return s.Err()
	}
	return status.Error(otherwise, "as told")
}

// reply answers, or breaks the connection instead.
func (g *target) reply(stream grpc.ServerStream, mode drivertest.Behaviour) error {
	ctx := stream.Context()
	ok := []byte{0x08, 0x01} // ok: true
	switch mode {
	case drivertest.Endless:
		ok = make([]byte, defaultMaxMessage+1)
	case undecodable:
		ok = []byte{0x08}
	case drivertest.Close:
		g.conn(ctx).Close()
	case drivertest.Cut:
		stream.SendHeader(metadata.Pairs("half", "way"))
		g.conn(ctx).Close()
	case drivertest.Reset:
		g.conn(ctx).Reset()
	case drivertest.Garbage:
		g.conn(ctx).Say(strings.Repeat("garbage ", 10_000))
	}
	return stream.SendMsg(ok)
}

// serverCodec decodes dynamic messages, and sends bytes unchanged.
type serverCodec struct{}

func (serverCodec) Name() string { return "proto" }

func (serverCodec) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.([]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return encoding.GetCodecV2("proto").Marshal(v)
}

func (serverCodec) Unmarshal(data mem.BufferSlice, v any) error {
	return encoding.GetCodecV2("proto").Unmarshal(data, v)
}
