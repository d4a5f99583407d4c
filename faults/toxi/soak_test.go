package toxi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers/drivertest/tier"
)

// TestSoak switches faults under large bodies and impatient clients. WRINGER_SOAK sets the number of switches.
//
// A client never sees a byte that the target did not send at that position. The link stays alive. After healing every
// client is served.
func TestSoak(t *testing.T) {
	tier.Slow(t, "switches faults a thousand times")
	switches := 1000
	if s := os.Getenv("WRINGER_SOAK"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("WRINGER_SOAK: %v", err)
		}
		switches = n
	}
	u, l := serve(t, echo), newLink(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var whole, broken, left atomic.Int64
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			pause := time.NewTicker(ms) // a refused transfer is retried, after a pause
			defer pause.Stop()
			for ; ctx.Err() == nil; <-pause.C {
				impatient := i%2 == 0
				err := transfer(ctx, l, u.address(), r, impatient)
				switch {
				case errors.Is(err, errCorrupt):
					t.Error(err)
				case err == nil:
					whole.Add(1)
				case impatient:
					left.Add(1)
				default:
					broken.Add(1)
				}
			}
		})
	}
	soakSwitches(t, l, switches)
	served := whole.Load()
	until(t, "bodies arrive whole after healing", func() bool { return whole.Load() >= served+10 })
	cancel()
	clients.Wait()
	t.Logf("%d switches: %d bodies whole, %d broken, %d left by their client", switches, whole.Load(), broken.Load(), left.Load())
}

func soakSwitches(t *testing.T, l *Link, switches int) {
	configs := []Config{
		{Latency: steady(5 * ms), Jitter: 5 * ms, Direction: Both},
		{Latency: steady(80 * ms)},
		{Bandwidth: 20 << 20, Direction: Both},
		{Partition: Both, Mode: Hold},
		{Partition: FromTarget, Mode: Hold},
		{Partition: FromTarget},
		{Partition: ToTarget},
		{Refuse: true},
		{Reset: true, Connections: 0.5},
		{HalfOpen: Existing, Connections: 0.5},
		{HalfOpen: Accepting, Connections: 0.5},
		{Loss: 0.02, Direction: Both},
		{Slice: &Slice{Size: 16 << 10, Vary: 8 << 10}, Direction: Both},
		{CloseAfter: &Limit{Bytes: 100_000}},
		{CloseAfter: &Limit{Time: 5 * ms}, CloseWith: WithReset},
		{SlowClose: 5 * ms, Direction: ToTarget},
		{Latency: Latency{To: 20 * ms}, Requests: 0.5},
		{Partition: Both, Flap: &Flap{Every: 10 * ms, Duty: 0.3}},
	}
	r := rand.New(rand.NewPCG(42, 0))
	all := make([]*Fault, len(configs))
	for i, c := range configs {
		all[i] = openFault(t, l, c)
	}
	tick := time.NewTicker(3 * ms)
	defer tick.Stop()
	for i := range switches {
		if i%2 == 0 {
			if err := all[r.IntN(len(all))].Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else if r.IntN(4) > 0 { // now and then some overlap
			for _, f := range all {
				if err := f.Heal(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		<-tick.C
	}
	for _, f := range all {
		heal(t, f)
		if !f.Bite().Bit {
			t.Logf("%s touched no traffic", f.config.words())
		}
	}
}

var (
	errCorrupt = errors.New("the bytes that came back are not those that were sent")
	table      = crc64.MakeTable(crc64.ECMA)
)

// transfer sends a large body to the echo and compares the bytes that come back.
func transfer(ctx context.Context, l *Link, address string, r *rand.Rand, impatient bool) error {
	patience := 5 * time.Second
	if impatient {
		patience = time.Duration(1+r.IntN(20)) * ms
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := l.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()

	seed, size := r.Uint64(), 1+r.IntN(256<<10)
	var upload sync.WaitGroup
	defer upload.Wait()
	defer c.Close()
	upload.Go(func() { _, _ = io.Copy(c, body(seed, size)) })
	return compare(c, body(seed, size), size)
}

// body is a stream of bytes that a seed determines.
func body(seed uint64, size int) io.Reader {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	return io.LimitReader(rand.NewChaCha8(key), int64(size))
}

func compare(c net.Conn, want io.Reader, size int) error {
	got, expected := crc64.New(table), crc64.New(table)
	buffer := make([]byte, 64<<10)
	in := bufio.NewReader(c)
	for seen := 0; seen < size; {
		n, err := in.Read(buffer[:min(len(buffer), size-seen)])
		got.Write(buffer[:n])
		if _, err := io.CopyN(expected, want, int64(n)); err != nil {
			return err
		}
		seen += n
		if got.Sum64() != expected.Sum64() {
			return fmt.Errorf("%w: before byte %d of %d", errCorrupt, seen, size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
