package kafka

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
)

// A broker that accepts everything and never answers: attempts end at their deadlines, and no later.
func TestSilence(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	var silent atomic.Bool
	w := watch(c, func(*kmsg.ProduceRequest) (kmsg.Response, error, bool) { return nil, nil, silent.Load() })
	d := openDriver(t, c, Config{}, newEnv())
	if at := sendOne(t, d, 0, testPatience); at.Outcome != drivers.Acked {
		t.Fatalf("%+v", at)
	}
	silent.Store(true)
	for seq := range uint64(3) {
		at := sendOne(t, d, 1+seq, 50*time.Millisecond)
		if at.Outcome != drivers.Indeterminate || at.Code != drivers.CodeTimeout || at.Answered || !at.Wire {
			t.Errorf("%+v", at)
		}
	}
	eventually(t, "the first to arrive", func() bool { return w.of(1) == 1 })
	silent.Store(false)
	seq := uint64(100)
	eventually(t, "an ack", func() bool { seq++; return sendOne(t, d, seq, 100*time.Millisecond).Outcome == drivers.Acked })
}

// While no connection can be made, a record outside a batch was certainly not sent. When the network is back, the driver
// works again, despite sarama's circuit breakers.
func TestOutage(t *testing.T) {
	c := newCluster(t, 3)
	env := newEnv()
	env.Timeout = 200 * time.Millisecond
	n := &outage{}
	env.Dial = n.dial
	w := watch(c, nil)
	d := openDriver(t, c, Config{}, env)
	send(t, d, 0, 100, testPatience, 10)
	n.begin()
	var refused int
	for seq := uint64(1000); refused < 5; seq++ {
		at := sendOne(t, d, seq, env.Timeout)
		switch {
		case at.Outcome == drivers.Acked:
			t.Fatalf("acked without a connection: %+v", at)
		case !at.Wire && (at.Outcome != drivers.Rejected || at.Code != drivers.CodeRefused):
			t.Fatalf("%+v", at)
		case !at.Wire:
			refused++
		}
	}
	n.end()
	seq := uint64(2000)
	eventually(t, "every partition to take records again", func() bool {
		seq += 100
		return !slices.ContainsFunc(send(t, d, seq, 100, env.Timeout, 10), func(at drivers.Attempt) bool { return at.Outcome != drivers.Acked })
	})
	for seq := range uint64(100) {
		if n := w.of(1000 + seq); n > 1 {
			t.Errorf("%d arrived %d times", 1000+seq, n)
		}
	}
}

// outage is a network that can be taken down.
type outage struct {
	mu   sync.Mutex
	down bool
	live []net.Conn
}

func (o *outage) dial(ctx context.Context, network, address string) (net.Conn, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		return nil, syscall.ECONNREFUSED
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		o.live = append(o.live, conn)
	}
	return conn, err
}

func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = true
	for _, c := range o.live {
		c.Close()
	}
	o.live = nil
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = false
}

// Close ends the attempts in flight, each once.
func TestCloseUnderWay(t *testing.T) {
	for _, config := range []Config{{}, {Idempotent: true}, {Linger: 200 * time.Millisecond, Batch: 1 << 20}} {
		c := newCluster(t, 2)
		watch(c, func(*kmsg.ProduceRequest) (kmsg.Response, error, bool) { return nil, nil, true })
		d := openDriver(t, c, config, newEnv())
		const n = 500
		attempts := make([]drivers.Attempt, n)
		ops := make([]drivers.Op, n)
		var calls [n]atomic.Int32
		for i := range attempts {
			attempts[i].Reset(1, 0)
			ops[i].Seq = uint64(i)
			d.Send(t.Context(), &ops[i], &attempts[i], func() { calls[i].Add(1) })
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testPatience)
		defer cancel()
		if err := d.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		for i := range attempts {
			at := attempts[i]
			if calls[i].Load() != 1 || at.Code != drivers.CodeCancelled || at.Outcome == drivers.Acked || at.Wire != (at.Outcome == drivers.Indeterminate) {
				t.Fatalf("%d: done %d times: %+v", i, calls[i].Load(), at)
			}
		}
	}
}
