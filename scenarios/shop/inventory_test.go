package shop

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// dialInventory returns a client of the bench's inventory, and the schema.
func (b *bench) dialInventory() (*grpc.ClientConn, schema) {
	b.t.Helper()
	s, err := inventorySchema()
	must(b.t, err)
	conn, err := grpc.NewClient(b.Vars()["grpc"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(b.t, err)
	b.t.Cleanup(func() { conn.Close() })
	return conn, s
}

func reserveMessage(s schema, order, item string, quantity int32) record {
	return s.message("ReserveRequest").with("order_id", order).with("item_id", item).with("quantity", quantity)
}

func TestReserveIsIdempotent(t *testing.T) {
	b := openBench(t, Config{})
	conn, s := b.dialInventory()
	var ids []string
	for n := range 3 {
		reply := s.message("Reservation")
		must(t, conn.Invoke(t.Context(), "/shop.v1.Inventory/Reserve", reserveMessage(s, "o1", "i1", 2).Message, reply.Message))
		if replayed := reply.Get(reply.field("replayed")).Bool(); replayed != (n > 0) {
			t.Errorf("call %d: replayed is %v", n+1, replayed)
		}
		ids = append(ids, reply.text("reservation_id"))
	}
	if len(slices.Compact(ids)) != 1 || ids[0] == "" {
		t.Errorf("reservations %q", ids)
	}
	if c := b.Audit().Counts; c.Reservations != 1 || c.InventoryCalls != 0 {
		t.Errorf("%+v: want one reservation, and no call of the order service", c)
	}
}

func TestReserveRefusesBadInput(t *testing.T) {
	b := openBench(t, Config{})
	conn, s := b.dialInventory()
	for _, m := range []record{
		reserveMessage(s, "", "i", 1), reserveMessage(s, "o", "", 1), reserveMessage(s, "o", "i", 0), reserveMessage(s, "o", "i", -1),
	} {
		err := conn.Invoke(t.Context(), "/shop.v1.Inventory/Reserve", m.Message, s.message("Reservation").Message)
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", m.Message, err)
		}
	}
}

// stream opens a stream to the inventory.
func stream(t *testing.T, conn *grpc.ClientConn, method string) grpc.ClientStream {
	t.Helper()
	s, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/shop.v1.Inventory/"+method)
	must(t, err)
	return s
}

func TestStreams(t *testing.T) {
	b := openBench(t, Config{})
	conn, s := b.dialInventory()
	t.Run("Sync", func(t *testing.T) {
		c := stream(t, conn, "Sync")
		for n := int64(1); n <= 3; n++ {
			must(t, c.SendMsg(s.message("StockChange").with("item_id", "i").with("delta", int64(-5)).Message))
			level := s.message("StockLevel")
			must(t, c.RecvMsg(level.Message))
			if got := level.number("level"); got != openingStock-5*n {
				t.Errorf("level %d after %d changes", got, n)
			}
		}
		must(t, c.CloseSend())
		if err := c.RecvMsg(s.message("StockLevel").Message); !errors.Is(err, io.EOF) {
			t.Errorf("end: %v", err)
		}
	})
	t.Run("ReserveMany", func(t *testing.T) {
		c := stream(t, conn, "ReserveMany")
		for _, order := range []string{"a", "b", "a"} {
			must(t, c.SendMsg(reserveMessage(s, order, "many", 1).Message))
		}
		must(t, c.CloseSend())
		sum := s.message("Summary")
		must(t, c.RecvMsg(sum.Message))
		if sum.number("reserved") != 2 || sum.number("replayed") != 1 {
			t.Errorf("summary %v", sum.Message)
		}
	})
	t.Run("WatchStock", func(t *testing.T) {
		c := stream(t, conn, "WatchStock")
		must(t, c.SendMsg(s.message("WatchStockRequest").with("item_id", "i").with("updates", int32(4)).with("interval_ms", int32(1)).Message))
		must(t, c.CloseSend())
		n := 0
		for ; ; n++ {
			if err := c.RecvMsg(s.message("StockLevel").Message); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if n != 4 {
			t.Errorf("%d updates", n)
		}
	})
	t.Run("WatchStock refuses", func(t *testing.T) {
		c := stream(t, conn, "WatchStock")
		must(t, c.SendMsg(s.message("WatchStockRequest").with("item_id", "i").with("updates", int32(maxUpdates+1)).Message))
		must(t, c.CloseSend())
		if err := c.RecvMsg(s.message("StockLevel").Message); status.Code(err) != codes.InvalidArgument {
			t.Errorf("got %v", err)
		}
	})
}

func TestPauseHoldsRunningStreams(t *testing.T) {
	b := openBench(t, Config{})
	conn, s := b.dialInventory()
	c := stream(t, conn, "Sync")
	ask := func() { must(t, c.SendMsg(s.message("StockChange").with("item_id", "i").Message)) }
	ask()
	must(t, c.RecvMsg(s.message("StockLevel").Message))
	must(t, b.part("inventory").Pause(t.Context()))
	ask()
	eventually(t, "the message met the pause", func() bool { return b.part("inventory").Met() > 0 })
	must(t, b.part("inventory").Resume(t.Context()))
	must(t, c.RecvMsg(s.message("StockLevel").Message))
}

func TestReflection(t *testing.T) {
	b := openBench(t, Config{})
	conn, _ := b.dialInventory()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, version := range []string{"v1", "v1alpha"} { // the same messages on the wire
		method := "/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo"
		c, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
		must(t, err)
		must(t, c.SendMsg(&grpc_reflection_v1.ServerReflectionRequest{
			MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: inventoryService},
		}))
		var answer grpc_reflection_v1.ServerReflectionResponse
		must(t, c.RecvMsg(&answer))
		files := answer.GetFileDescriptorResponse().GetFileDescriptorProto()
		var file descriptorpb.FileDescriptorProto
		if len(files) != 1 || proto.Unmarshal(files[0], &file) != nil || len(file.GetService()[0].GetMethod()) != 4 {
			t.Errorf("%s: %v", method, &answer)
		}
	}
}

func TestHealth(t *testing.T) {
	b := openBench(t, Config{})
	conn, _ := b.dialInventory()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: inventoryService})
	if err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", answer, err)
	}
}
