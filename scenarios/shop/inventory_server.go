package shop

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protodesc"
)

// inventoryServer is the gRPC server of the inventory. inventoryPart pauses and kills it.
type inventoryServer struct {
	inventory *inventory
	schema    schema
	resolver  protodesc.Resolver
	calls     *callLog
	ledger    *ledger

	pausePoint pausePoint
	underway   atomic.Int64 // calls in handlers
}

// Bounds of the streams.
const (
	defaultUpdates        = 3
	maxUpdates            = 10_000
	defaultUpdateInterval = 10 * time.Millisecond
	maxUpdateInterval     = time.Minute
)

// callerKey is the metadata key by which the order service identifies itself.
const (
	callerKey    = "shop-caller"
	callerOrders = "orders"
)

func newInventoryServer(s *inventory, calls *callLog) (*inventoryServer, error) {
	schema, err := inventorySchema()
	if err != nil {
		return nil, err
	}
	resolver, err := newResolver(schema)
	if err != nil {
		return nil, err
	}
	return &inventoryServer{inventory: s, schema: schema, resolver: resolver, calls: calls, ledger: s.ledger}, nil
}

// build returns a server that is ready to serve.
func (v *inventoryServer) build(options ...grpc.ServerOption) *grpc.Server {
	server := grpc.NewServer(append(options,
		grpc.UnaryInterceptor(v.interceptUnary),
		grpc.StreamInterceptor(v.interceptStream),
		grpc.WaitForHandlers(true),
	)...)
	server.RegisterService(v.description(), v)
	vitals := health.NewServer()
	vitals.SetServingStatus(inventoryService, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, vitals)
	reflect := reflection.ServerOptions{Services: server, DescriptorResolver: v.resolver}
	grpc_reflection_v1.RegisterServerReflectionServer(server, reflection.NewServerV1(reflect))
	grpc_reflection_v1alpha.RegisterServerReflectionServer(server, reflection.NewServer(reflect))
	return server
}

// interceptUnary records each call that arrives, and holds it back while the inventory is paused. So calls that arrive
// during a pause are recorded too.
func (v *inventoryServer) interceptUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	v.underway.Add(1)
	defer v.underway.Add(-1)
	if r, ok := request.(reserveRequest); ok && fromOrders(ctx) {
		v.ledger.inventoryCalled()
		v.calls.add(call{r.orderID, r.itemID, r.quantity})
	}
	if !v.pausePoint.wait(ctx.Done()) {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return handle(ctx, request)
}

func (v *inventoryServer) interceptStream(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	v.underway.Add(1)
	defer v.underway.Add(-1)
	return handle(service, &pausableStream{stream, &v.pausePoint})
}

// pausableStream waits at the pause point with every message, in both directions.
type pausableStream struct {
	grpc.ServerStream
	pausePoint *pausePoint
}

func (s *pausableStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.wait()
}

func (s *pausableStream) SendMsg(m any) error {
	if err := s.wait(); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

func (s *pausableStream) wait() error {
	if !s.pausePoint.wait(s.Context().Done()) {
		return status.FromContextError(s.Context().Err()).Err()
	}
	return nil
}

func fromOrders(ctx context.Context) bool {
	callers := metadata.ValueFromIncomingContext(ctx, callerKey)
	return len(callers) == 1 && callers[0] == callerOrders
}

// description is the code that a generator would write for inventory.proto.
func (v *inventoryServer) description() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: inventoryService,
		HandlerType: (*any)(nil),
		Metadata:    inventoryFile,
		Methods:     []grpc.MethodDesc{{MethodName: "Reserve", Handler: v.handleReserve}},
		Streams: []grpc.StreamDesc{
			{StreamName: "WatchStock", Handler: v.watchStock, ServerStreams: true},
			{StreamName: "ReserveMany", Handler: v.reserveMany, ClientStreams: true},
			{StreamName: "Sync", Handler: v.sync, ServerStreams: true, ClientStreams: true},
		},
	}
}

type reserveRequest struct {
	orderID, itemID string
	quantity        int64
}

func readReserve(m record) reserveRequest {
	return reserveRequest{m.text("order_id"), m.text("item_id"), m.number("quantity")}
}

func (v *inventoryServer) handleReserve(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	m := v.schema.message("ReserveRequest")
	if err := decode(m.Message); err != nil {
		return nil, err
	}
	info := &grpc.UnaryServerInfo{Server: v, FullMethod: "/" + inventoryService + "/Reserve"}
	return intercept(ctx, readReserve(m), info, func(_ context.Context, request any) (any, error) {
		return v.reserve(request.(reserveRequest))
	})
}

func (v *inventoryServer) reserve(r reserveRequest) (any, error) {
	stood, replayed, err := v.inventory.reserve(r.orderID, r.itemID, r.quantity)
	if err != nil {
		return nil, err
	}
	return v.schema.message("Reservation").
		with("reservation_id", stood.id).
		with("order_id", r.orderID).
		with("item_id", r.itemID).
		with("quantity", int32(stood.quantity)).
		with("replayed", replayed).Message, nil
}

func (v *inventoryServer) watchStock(_ any, stream grpc.ServerStream) error {
	m := v.schema.message("WatchStockRequest")
	if err := stream.RecvMsg(m.Message); err != nil {
		return err
	}
	updates, interval := m.number("updates"), time.Duration(m.number("interval_ms"))*time.Millisecond
	if updates < 0 || updates > maxUpdates || interval < 0 || interval > maxUpdateInterval {
		return status.Errorf(codes.InvalidArgument, "updates go up to %d, interval_ms up to %d", maxUpdates, maxUpdateInterval.Milliseconds())
	}
	if updates == 0 {
		updates = defaultUpdates
	}
	if interval == 0 {
		interval = defaultUpdateInterval
	}
	return v.sendLevels(stream, m.text("item_id"), updates, interval)
}

// sendLevels sends the first level at once.
func (v *inventoryServer) sendLevels(stream grpc.ServerStream, itemID string, updates int64, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := int64(1); ; n++ {
		if err := v.sendLevel(stream, itemID, 0); err != nil || n == updates {
			return err
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

func (v *inventoryServer) sendLevel(stream grpc.ServerStream, itemID string, delta int64) error {
	if itemID == "" {
		return status.Error(codes.InvalidArgument, "itemId is empty")
	}
	level, err := v.inventory.change(itemID, delta)
	if err != nil {
		return err
	}
	return stream.SendMsg(v.schema.message("StockLevel").with("item_id", itemID).with("level", level).Message)
}

func (v *inventoryServer) reserveMany(_ any, stream grpc.ServerStream) error {
	var reserved, repeated int32
	for {
		m := v.schema.message("ReserveRequest")
		if err := stream.RecvMsg(m.Message); errors.Is(err, io.EOF) {
			return stream.SendMsg(v.schema.message("Summary").with("reserved", reserved).with("replayed", repeated).Message)
		} else if err != nil {
			return err
		}
		r := readReserve(m)
		_, replayed, err := v.inventory.reserve(r.orderID, r.itemID, r.quantity)
		if err != nil {
			return err
		}
		if replayed {
			repeated++
		} else {
			reserved++
		}
	}
}

func (v *inventoryServer) sync(_ any, stream grpc.ServerStream) error {
	for {
		m := v.schema.message("StockChange")
		if err := stream.RecvMsg(m.Message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := v.sendLevel(stream, m.text("item_id"), m.number("delta")); err != nil {
			return err
		}
	}
}
