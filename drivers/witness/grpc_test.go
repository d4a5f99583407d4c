package witness

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"wringer/drivers"
)

// callee is a gRPC target that counts its calls. The method selects its behaviour.
type callee struct {
	counting
	address string
	waiting chan string // the calls that it received and will not answer
	stop    func()
}

func startCallee(t testing.TB) *callee {
	c := &callee{counting: counting{heads: map[string]int{}, done: map[string]int{}}, waiting: make(chan string)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.address = l.Addr().String()
	server := grpc.NewServer(grpc.UnknownServiceHandler(c.serve))
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(l)
	}()
	c.stop = sync.OnceFunc(func() {
		server.Stop()
		<-served
	})
	t.Cleanup(c.stop)
	return c
}

func (c *callee) serve(_ any, s grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	id := strings.TrimPrefix(strings.Join(md.Get(drivers.MarkHeader), ""), "r1.s.")
	c.add(c.heads, id)
	method, _ := grpc.MethodFromServerStream(s)
	if method == "/a.B/Early" {
		return status.Error(codes.InvalidArgument, "not looked at")
	}
	if method == "/a.B/Silent" {
		if err := s.RecvMsg(new(wrapperspb.BytesValue)); err != nil {
			return err
		}
		c.waiting <- id
		<-s.Context().Done()
		return s.Context().Err()
	}
	received := 0
	for ; ; received++ {
		if err := s.RecvMsg(new(wrapperspb.BytesValue)); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if nth := c.add(c.done, id); method == "/a.B/Refuse" || method == "/a.B/SecondTime" && nth == 1 {
		return status.Error(codes.Unavailable, "try again")
	}
	for range received {
		if err := s.SendMsg(wrapperspb.Bytes(make([]byte, 20_000))); err != nil {
			return err
		}
	}
	return nil
}

// add counts one more, and returns the count.
func (c *counting) add(to map[string]int, id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	to[id]++
	return to[id]
}

const retryConfig = `{"methodConfig":[{"name":[{"service":"a.B","method":"SecondTime"}],"retryPolicy":{"maxAttempts":3,
	"initialBackoff":"0.001s","maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

func caller(t testing.TB, address string, dial drivers.DialFunc) *grpc.ClientConn {
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(retryConfig),
		grpc.WithContextDialer(func(ctx context.Context, a string) (net.Conn, error) { return dial(ctx, "tcp", a) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// converse sends n messages, and reads the answer to its end.
func converse(ctx context.Context, t *testing.T, c *grpc.ClientConn, method, id string, messages int) error {
	ctx = metadata.AppendToOutgoingContext(ctx, strings.ToLower(drivers.MarkHeader), "r1.s."+id)
	s, err := c.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return err
	}
	for range messages {
		if s.SendMsg(wrapperspb.Bytes(make([]byte, 5_000))) != nil {
			break // the answer came first; it is read below
		}
	}
	s.CloseSend()
	for {
		if err := s.RecvMsg(new(wrapperspb.BytesValue)); err != nil {
			return err
		}
	}
}

// The witness and a gRPC target that counts for itself agree on calls of every kind: with one or many messages, with
// trailers alone, refused unread, cancelled, and resent by the client library.
func TestAgreesWithAGRPCTarget(t *testing.T) {
	target := startCallee(t)
	sink := newTally()
	c := caller(t, target.address, dialler(sink))
	answered, seq := map[string]int{}, 0
	for range 3 {
		for _, method := range []string{"Echo", "Refuse", "Early", "Silent", "SecondTime"} {
			for _, messages := range []int{1, 3, 30} {
				id := fmt.Sprint(seq)
				seq++
				ctx, cancel := context.WithCancel(t.Context())
				switch method {
				case "Silent":
					go func() {
						<-target.waiting
						cancel()
					}()
				case "SecondTime":
					answered[id] = 2 // the library hides the first answer
				default:
					answered[id] = 1
				}
				err := converse(ctx, t, c, "/a.B/"+method, id, messages)
				cancel()
				want := map[string]codes.Code{"Refuse": codes.Unavailable, "Early": codes.InvalidArgument, "Silent": codes.Canceled}[method]
				if err == io.EOF {
					err = nil
				}
				if status.Code(err) != want {
					t.Fatalf("%s: %v", method, err)
				}
			}
		}
	}
	c.Close()
	target.stop()
	if len(sink.blind) > 0 {
		t.Errorf("blind: %q", sink.blind)
	}
	if !maps.Equal(sink.arrived, target.heads) {
		t.Errorf("arrived %v\nthe target counted %v", sink.arrived, target.heads)
	}
	for id, n := range target.done {
		if sink.whole[id] != n {
			t.Errorf("operation %s came whole %d times, the target read it %d times", id, sink.whole[id], n)
		}
	}
	if !maps.Equal(sink.answered, answered) {
		t.Errorf("answered %v\nthe client took %v", sink.answered, answered)
	}
	if n := sink.arrived[fmt.Sprint(seq-1)]; n != 2 {
		t.Errorf("a call that the library sent again arrived %d times", n)
	}
}
