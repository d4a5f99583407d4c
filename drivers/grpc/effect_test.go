package grpc

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/effect"
)

// ledger is a server whose methods answer as a test says, each answer as JSON of a ReserveReply.
func ledger(t *testing.T, serve func(method string, send func(json string) error, done <-chan struct{}) error) string {
	t.Helper()
	reply := inventory(t).Methods().ByName("Reserve").Output()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		in := dynamicpb.NewMessage(inventory(t).Methods().ByName("Reserve").Input())
		if err := s.RecvMsg(in); err != nil {
			return err
		}
		return serve(method, func(text string) error {
			m := dynamicpb.NewMessage(reply)
			if err := protojson.Unmarshal([]byte(text), m); err != nil {
				return err
			}
			return s.SendMsg(m)
		}, s.Context().Done())
	}))
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return l.Addr().String()
}

// observe opens the source, and returns what its last reading delivered.
func observe(t *testing.T, e *Effect, during func()) (ids []string, err error) {
	t.Helper()
	e.Protos, e.ImportPaths = []string{"shop.proto"}, []string{"testdata"}
	e.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	env := drivertest.NewEnv(t, time.Now())
	env.Files = "."
	source, err := e.Open(t.Context(), env)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if err := source.Start(t.Context()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	done := make(chan error, 1)
	go func() {
		done <- source.Receive(ctx, func(d *drivers.Delivery) {
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, string(d.ID))
		})
	}()
	during()
	err = source.CatchUp(t.Context())
	cancel()
	return ids, errors.Join(err, <-done)
}

func TestEffects(t *testing.T) {
	id := drivertest.NewEnv(t, time.Now()).Identity
	one, two := id.Text(1), id.Text(2)
	for name, e := range map[string]*Effect{
		"a list in one answer": {Method: "wringer.test.Inventory/Reserve", Items: "$.many", Fields: effect.Fields{ID: "$"}},
		"a stream read whole":  {Method: "wringer.test.Inventory/Watch", Fields: effect.Fields{ID: "$.text"}},
	} {
		t.Run(name, func(t *testing.T) {
			e.Target = ledger(t, func(method string, send func(string) error, _ <-chan struct{}) error {
				if strings.HasSuffix(method, "Reserve") {
					return send(`{"many":["` + one + `","` + two + `"]}`)
				}
				return errors.Join(send(`{"text":"`+one+`"}`), send(`{"text":"`+two+`"}`))
			})
			e.Method = string(inventory(t).FullName()) + e.Method[strings.Index(e.Method, "/"):]
			if ids, err := observe(t, e, func() {}); strings.Join(ids, " ") != one+" "+two || err != nil {
				t.Errorf("%q, %v", ids, err)
			}
		})
	}
}

// A stream that breaks off was not read whole, and one that ends is not followed any more.
func TestEffectStreamsThatBreak(t *testing.T) {
	method := string(inventory(t).FullName()) + "/Watch"
	follow := func() (*Effect, chan<- error) { // of a target of its own: no stream of another takes the end
		end := make(chan error)
		e := &Effect{Method: method, Follow: true, Fields: effect.Fields{ID: "$.text"}}
		e.Target = ledger(t, func(_ string, send func(string) error, done <-chan struct{}) error {
			if err := send(`{"text":"x"}`); err != nil {
				return err
			}
			select {
			case err := <-end:
				return err
			case <-done:
				return nil
			}
		})
		return e, end
	}
	open, _ := follow()
	if ids, err := observe(t, open, func() {}); len(ids) != 1 || err != nil {
		t.Errorf("followed %q, %v", ids, err)
	}
	ended, end := follow()
	if _, err := observe(t, ended, func() { end <- nil }); err == nil || !strings.Contains(err.Error(), "ended before the run") {
		t.Errorf("a stream that ends: %v", err)
	}
	whole := &Effect{Method: method, Fields: effect.Fields{ID: "$.text"}}
	whole.Target = ledger(t, func(_ string, send func(string) error, _ <-chan struct{}) error {
		return errors.Join(send(`{"text":"x"}`), status.Error(codes.Unavailable, "gone"))
	})
	if _, err := observe(t, whole, func() {}); !errors.Is(err, drivers.ErrUnreachable) {
		t.Errorf("a stream that breaks off: %v", err)
	}
}

func TestCheckEffect(t *testing.T) {
	for _, c := range []struct {
		effect Effect
		want   string
	}{
		{Effect{Target: "nowhere", Method: "a.B/C"}, "target: "},
		{Effect{Target: "h:1", Method: "C"}, "method: "},
		{Effect{Target: "h:1", Method: "a.B/C", Message: map[string]any{"id": "{{id}}"}}, "message: may hold no {{...}}"},
		{Effect{Target: "h:1", Method: "a.B/C", Items: "o"}, "items: "},
		{Effect{Target: "h:1", Method: "a.B/C", Follow: true, Items: "$.o"}, "items: does not work with follow"},
	} {
		var all []string
		c.effect.Check(func(field, message string) { all = append(all, field+": "+message) })
		if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) {
			t.Errorf("%+v: %q, want %q", c.effect, text, c.want)
		}
	}
	for what, e := range map[string]*Effect{
		"takes a stream of messages": {Method: string(inventory(t).FullName()) + "/Upload"},
		"gives one answer":           {Method: string(inventory(t).FullName()) + "/Reserve", Follow: true},
	} {
		e.Target, e.Fields = "127.0.0.1:1", effect.Fields{ID: "$.id"}
		if _, err := observe(t, e, func() {}); !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want a scenario error with %q", err, what)
		}
	}
}
