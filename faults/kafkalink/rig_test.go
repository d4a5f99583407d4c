package kafkalink

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/faulttest"
	"wringer/faults/toxi"
)

// The metrics of sarama keep one ticker for the whole process.
func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

const patience = 2 * time.Minute

// rig is a link with an inlet, and the brokers behind it.
type rig struct {
	link    faults.Link
	address string
	peers   faults.Peers
}

// newRig opens a Kafka link to the addresses.
func newRig(t testing.TB, upstream ...string) *rig {
	t.Helper()
	m, err := toxi.NewMesh(faults.Network{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &Config{Listen: "127.0.0.1:0", Bootstrap: upstream[0]}
	link, address := faulttest.OpenLink(t, m, "orders->kafka", func(link faults.Link) error {
		return c.Prepare(link, c.Listen, slog.New(slog.DiscardHandler))
	}, upstream...)
	peers, err := c.Peers(link, func(context.Context) ([]string, error) { return upstream, nil }, new(net.Dialer).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{link, address, peers}
}

func (r *rig) env() faults.Env {
	env := faulttest.OnLink(r.link)
	env.Peers = func(string) (faults.Peers, error) { return r.peers, nil }
	return env
}

func (r *rig) open(t testing.TB, a Act) *Fault { return r.openOn(t, r.link.Name(), a) }

// openOn opens a fault on the link or on a branch of it.
func (r *rig) openOn(t testing.TB, link string, a Act) *Fault {
	t.Helper()
	c := &FaultConfig{Link: link, Act: a}
	if err := c.Prepare(r.link); err != nil {
		t.Fatal(err)
	}
	return faulttest.Open(t, c, r.env()).(*Fault)
}

func (r *rig) inject(t testing.TB, a Act) *Fault {
	t.Helper()
	f := r.open(t, a)
	faulttest.Inject(t, f)
	return f
}

// awaitSilence waits until the fault has silenced a connection.
func (f *Fault) awaitSilence(t testing.TB) {
	t.Helper()
	tick, bound := time.NewTicker(time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer bound.Stop()
	for f.Silent() == 0 {
		select {
		case <-tick.C:
		case <-bound.C:
			t.Fatal("no connection fell silent")
		}
	}
}

// cluster is three brokers of kfake.
func cluster(t testing.TB) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(6, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for p := range int32(6) {
		if err := c.MoveTopicPartition("orders", p, p%3); err != nil { // each broker leads some partitions
			t.Fatal(err)
		}
	}
	return c
}

// serve answers every frame by answer. A nil answer closes the connection.
func serve(t testing.TB, answer func(request []byte) []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				for {
					request, err := readFrame(c)
					if err != nil {
						return
					}
					back := answer(request)
					if back == nil {
						return
					}
					if _, err := c.Write(back); err != nil {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}

func readFrame(c io.Reader) ([]byte, error) {
	frame := make([]byte, 4)
	if _, err := io.ReadFull(c, frame); err != nil {
		return nil, err
	}
	frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
	_, err := io.ReadFull(c, frame[4:])
	return frame, err
}

// echo answers with the request's correlation id and the bytes after it.
func echo(request []byte) []byte { return withLength(append(make([]byte, 4), request[8:]...)) }

// frame is a request without a client id.
func frame(key, version int16, correlation int32, body ...byte) []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(correlation))
	b = append(b, 0xff, 0xff)
	return withLength(append(b, body...))
}

func (r *rig) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func send(t testing.TB, c net.Conn, frames ...[]byte) {
	t.Helper()
	if _, err := c.Write(slices.Concat(frames...)); err != nil {
		t.Fatal(err)
	}
}

func wants(t testing.TB, c net.Conn, what string, want []byte) {
	t.Helper()
	got, err := readFrame(c)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if string(got) != string(want) {
		t.Fatalf("%s: got %x, want %x", what, got, want)
	}
}
