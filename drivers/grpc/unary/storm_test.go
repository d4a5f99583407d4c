package unary

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers/drivertest"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// storm is a target that misbehaves at random. It records the calls that arrived.
type storm struct {
	net.Listener
	mu      sync.Mutex
	random  *rand.Rand
	conns   map[net.Conn]struct{}
	arrived map[uint64]int // by identity
}

func (s *storm) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns[c] = struct{}{}
	}
	return c, err
}

func (s *storm) draw(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

// kill ends a random connection, by a close or a reset.
func (s *storm) kill(reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		delete(s.conns, c)
		if reset {
			drivertest.NewRawConn(c).Reset()
		} else {
			c.Close()
		}
		return
	}
}

func (s *storm) handle(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var message []byte
	if err := decode(&message); err != nil {
		return nil, err
	}
	id := binary.BigEndian.Uint64(message)
	s.mu.Lock()
	s.arrived[id]++
	s.mu.Unlock()
	switch s.draw(100) {
	case 0, 1:
		s.kill(s.draw(2) == 0)
	case 2, 3, 4, 5, 6:
		return nil, status.Error(codes.Aborted, fmt.Sprint(id))
	case 7, 8:
		<-ctx.Done()
		return nil, ctx.Err()
	case 9, 10, 11, 12:
		timer := time.NewTimer(time.Duration(s.draw(3000)) * time.Microsecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return &message, nil
}

// In a storm every answer belongs to its call. Acknowledged calls arrived, and only calls reported as sent arrived.
func TestStorm(t *testing.T) {
	const callers, calls = 24, 250
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &storm{Listener: listener, random: rand.New(rand.NewPCG(1, 2)), conns: make(map[net.Conn]struct{}), arrived: make(map[uint64]int)}
	server := grpc.NewServer(grpc.ForceServerCodecV2(serverCodec{}), grpc.MaxConcurrentStreams(10), grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 50 * time.Millisecond, MaxConnectionAgeGrace: 20 * time.Millisecond}))
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: s.handle}}}, struct{}{})
	var served sync.WaitGroup
	served.Go(func() { server.Serve(s) })
	ch := New(options(listener.Addr().String()))
	var acked atomic.Int64
	sent := make([][calls]int, callers)
	whole := make([][calls]bool, callers)
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(3, uint64(n)))
			caller := ch.NewCaller()
			for i := range calls {
				message := binary.BigEndian.AppendUint64(nil, uint64(n*calls+i))
				if random.IntN(10) == 0 {
					message = append(message, bytes.Repeat([]byte{byte(n)}, random.IntN(200_000))...)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.IntN(50))*time.Millisecond)
				r := caller.Do(ctx, message, nil)
				cancel()
				sent[n][i] = r.Sent
				switch {
				case r.Sent > 2 || r.Sent == 0 && (r.Answered || r.Err == nil):
					t.Errorf("sent %d times, answered %v, %v", r.Sent, r.Answered, r.Err)
				case r.Fault != "" || r.Sent == 0:
				case !r.Answered:
					t.Errorf("no fault, and no answer: %+v", r)
				case r.Status == codes.OK && !bytes.Equal(r.Message, message):
					t.Errorf("the answer to another call: %d bytes of %d", len(r.Message), len(message))
				case r.Status == codes.Aborted && r.Text != fmt.Sprint(n*calls+i):
					t.Errorf("the status of call %s, asked %d", r.Text, n*calls+i)
				case r.Status == codes.OK:
					acked.Add(1)
					whole[n][i] = true
				}
			}
		})
	}
	all.Wait()
	ch.Close()
	server.Stop()
	served.Wait()
	for n := range callers {
		for i := range calls {
			arrived := s.arrived[uint64(n*calls+i)]
			if arrived > sent[n][i] || whole[n][i] && arrived == 0 {
				t.Errorf("call %d: arrived %d times, sent %d, acknowledged %v", n*calls+i, arrived, sent[n][i], whole[n][i])
			}
		}
	}
	if acked.Load() == 0 || acked.Load() == callers*calls {
		t.Errorf("%d of %d acknowledged, which shows nothing", acked.Load(), callers*calls)
	}
}

// Calls end at their deadline by the deadline, the target's refusal, or a draining connection, whichever comes first.
func TestRefusedAtTheDeadline(t *testing.T) {
	ch := newChannel(t, startTarget(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 4}}, func(p *peer) {
		for n := 1; ; n++ {
			stream := p.request()
			switch {
			case stream == 0:
				return
			case n%50 == 0:
				p.WriteGoAway(0, http2.ErrCodeNo, nil)
			case n%3 > 0:
				p.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
			}
		}
	}))
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(4, uint64(n)))
			caller := ch.NewCaller()
			for range 150 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(1000))*time.Microsecond)
				if r := caller.Do(ctx, nil, nil); r.Answered || r.Sent > 2 || (r.Sent == 0) == (r.Err == nil) || (r.Sent > 0) == (r.Fault == "") {
					t.Errorf("%+v", r)
				}
				cancel()
			}
		})
	}
	all.Wait()
}

// Closing a channel ends current and later calls, and leaves no goroutine.
func TestCloseBesideCalls(t *testing.T) {
	for n := range 20 {
		under := make(chan struct{}, 1)
		ch := New(options(startTarget(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 3}}, func(p *peer) {
			for stream := p.request(); stream != 0; stream = p.request() {
				select {
				case under <- struct{}{}:
				default:
				}
				if stream%4 == 1 {
					p.answer(stream, nil)
				}
			}
		})))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				caller := ch.NewCaller()
				for {
					r := caller.Do(t.Context(), nil, nil)
					if errors.Is(r.Err, ErrClosed) {
						return
					}
					if r.Answered != (r.Fault == "") || r.Sent != 1 && r.Err == nil {
						t.Errorf("%+v", r)
					}
				}
			})
		}
		if n%4 > 0 {
			<-under
		}
		ch.Close()
		all.Wait()
	}
}
