package toxi

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"

	"wringer/drivers/drivertest/tier"
)

// bench runs one lane between two channels, in virtual time and without a network.
type bench struct {
	lane *lane
	in   chan *stream.StreamChunk
	out  chan *stream.StreamChunk
}

func newBench(link *Link, d direction) *bench {
	f := newFlow(link, 1)
	f.near, _ = net.Pipe()
	f.far, _ = net.Pipe()
	b := &bench{
		lane: f.lanes[d],
		in:   make(chan *stream.StreamChunk), out: make(chan *stream.StreamChunk),
	}
	go func() {
		b.lane.run(b.in, b.out)
		close(b.out)
		b.lane.discard(b.in)
	}()
	return b
}

func bareLink() *Link {
	l := &Link{name: "bare", flows: map[*flow]struct{}{}, gone: make(chan struct{})}
	l.active.Store(newActiveFaults(nil))
	return l
}

func (b *bench) send(data string) {
	b.in <- &stream.StreamChunk{Data: []byte(data), Timestamp: time.Now()}
}

// delays takes all output and returns the delay of each chunk.
func (b *bench) delays() []time.Duration {
	var ds []time.Duration
	for c := range b.out {
		ds = append(ds, time.Since(c.Timestamp))
	}
	return ds
}

func mean(ds []time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range ds {
		sum += d
	}
	return sum / time.Duration(len(ds))
}

const ms = time.Millisecond

func TestLaneLatencyIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bareLink()
		f := inject(t, l, Config{Latency: steady(80 * ms)})
		b := newBench(l, fromTarget)
		go func() {
			for range 1000 { // far more than one latency could keep waiting
				b.send("x")
				time.Sleep(ms)
			}
			close(b.in)
		}()
		ds := b.delays()
		for i, d := range ds {
			if d != 80*ms {
				t.Fatalf("chunk %d waited %v", i, d)
			}
		}
		if bite := f.Bite(); len(ds) != 1000 || bite.Bytes != 1000 || bite.Connections != 1 {
			t.Errorf("%d chunks, bite %+v", len(ds), bite)
		}
	})
}

func TestLaneJitterKeepsTheMean(t *testing.T) {
	tests := []struct {
		name            string
		latency, jitter time.Duration
		gap             func(r *rand.Rand) time.Duration // nil: the next is sent when the last arrived
		within          time.Duration
	}{
		{"dense", 50 * ms, 50 * ms, func(*rand.Rand) time.Duration { return ms }, 2 * ms},
		{"in bursts", 80 * ms, 20 * ms, func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(2)) * ms }, ms},
		{"random", 80 * ms, 20 * ms, func(r *rand.Rand) time.Duration {
			return time.Duration(r.ExpFloat64() * float64(10*ms))
		}, ms},
		{"one after the other", 50 * ms, 50 * ms, nil, 2 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := bareLink()
				inject(t, l, Config{Latency: steady(tt.latency), Jitter: tt.jitter})
				b := newBench(l, fromTarget)
				r := rand.New(rand.NewPCG(1, 2))
				const n = 5000
				arrived := make(chan struct{}, n)
				go func() {
					for range n {
						b.send("x")
						if tt.gap != nil {
							time.Sleep(tt.gap(r))
						} else {
							<-arrived
						}
					}
					close(b.in)
				}()
				var ds []time.Duration
				for c := range b.out {
					ds = append(ds, time.Since(c.Timestamp))
					arrived <- struct{}{}
				}
				var squares float64
				for i, d := range ds {
					if d < tt.latency-tt.jitter || d > tt.latency+tt.jitter {
						t.Fatalf("chunk %d waited %v", i, d)
					}
					squares += math.Pow(float64(d-tt.latency), 2)
				}
				if off := mean(ds) - tt.latency; off.Abs() > tt.within {
					t.Errorf("the mean of %d delays is off by %v", len(ds), off)
				}
				// Uniform over +-jitter: the deviation is jitter/sqrt(3).
				if spread := math.Sqrt(squares/n) / (float64(tt.jitter) / math.Sqrt(3)); spread < 0.93 || spread > 1.07 {
					t.Errorf("the spread is %.2f of the uniform one", spread)
				}
			})
		})
	}
}

func TestSameSeedSameJitter(t *testing.T) {
	draw := func(seed uint64) (ds []time.Duration) {
		w, s, now := newJitterWalk(seed, 3, fromTarget), newSpread(shapes[Uniform], 10*ms), time.Time{}
		for i := range 100 {
			now = now.Add(ms)
			ds = append(ds, w.next(now, s, i%3 == 0))
		}
		return ds
	}
	a, b, c := draw(7), draw(7), draw(8)
	same, other := true, false
	for i := range a {
		same, other = same && a[i] == b[i], other || a[i] != c[i]
	}
	if !same || !other {
		t.Errorf("same seed same draws: %v; other seed other draws: %v", same, other)
	}
}

// TestCutChargesWhatItFindsWaiting: a partition that begins counts the bytes that wait for a slow reader.
func TestCutChargesWhatItFindsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bareLink()
		b := newBench(l, toTarget)
		b.send("hello")
		b.send("world")
		f := inject(t, l, Config{Partition: ToTarget, Mode: Hold})
		other := inject(t, l, Config{Partition: FromTarget})
		synctest.Wait()
		if bite := f.Bite(); bite.Bytes != 10 || bite.Connections != 1 || other.Bite().Bit {
			t.Errorf("bite %+v, of the other direction %+v", bite, other.Bite())
		}
		close(b.in)
		synctest.Wait()
		_ = f.Heal(t.Context())
		if ds := b.delays(); len(ds) != 2 || f.Bite().Bytes != 10 {
			t.Errorf("%d chunks came out, bite %+v", len(ds), f.Bite())
		}
	})
}

// TestLaneBandwidthIsShared: two connections together take as long as the wire needs for both.
func TestLaneBandwidthIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bareLink()
		f := inject(t, l, Config{Bandwidth: 100_000})
		begun := time.Now()
		var lanes [2]*bench
		for i := range lanes {
			b := newBench(l, fromTarget)
			lanes[i] = b
			go func() {
				for range 50 {
					b.send(string(make([]byte, 10_000)))
				}
				close(b.in)
			}()
		}
		total := 0
		last := make([]time.Duration, 2)
		counts := make(chan int)
		for i, b := range lanes {
			go func() {
				n := 0
				for c := range b.out {
					n += len(c.Data)
				}
				last[i] = time.Since(begun)
				counts <- n
			}()
		}
		for range lanes {
			total += <-counts
		}
		if total != 1_000_000 || f.Bite().Bytes != 1_000_000 {
			t.Errorf("%d bytes arrived, bite %+v", total, f.Bite())
		}
		for _, took := range last { // fair: both end at about 10 s
			if took < 9900*ms || took > 10_100*ms {
				t.Errorf("a lane was done after %v, want about 10s", took)
			}
		}
	})
}

// TestLaneNeverDeliversPastAHole switches at random. The output is always a prefix of the input, and all of it if
// nothing was dropped.
func TestLaneNeverDeliversPastAHole(t *testing.T) {
	for seed := range uint64(tier.Rounds(t, 300, 40)) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			l := bareLink()
			b := newBench(l, toTarget)
			sent := make([]byte, 20_000+r.IntN(20_000))
			for i := range sent {
				sent[i] = byte(r.Uint32())
			}
			drops := seed%2 == 0
			var others sync.WaitGroup
			others.Go(func() { sendAtRandom(b, sent, rand.New(rand.NewPCG(seed, 1))) })
			others.Go(func() { switchAtRandom(t, l, rand.New(rand.NewPCG(seed, 2)), drops) })

			var got []byte
			for c := range b.out {
				got = append(got, c.Data...)
			}
			if !bytes.HasPrefix(sent, got) {
				t.Errorf("seed %d: %d bytes came out that are no beginning of what went in", seed, len(got))
			}
			if !drops && len(got) != len(sent) {
				t.Errorf("seed %d: %d of %d bytes came out, and nothing was dropped", seed, len(got), len(sent))
			}
			others.Wait()
		})
	}
}

func sendAtRandom(b *bench, data []byte, r *rand.Rand) {
	for len(data) > 0 {
		n := min(len(data), 1+r.IntN(2000))
		b.lane.flow.answered.Store(r.IntN(2) == 0)
		b.lane.flow.passes(toTarget)
		b.send(string(data[:n]))
		data = data[n:]
		time.Sleep(time.Duration(r.IntN(5)) * ms)
	}
	close(b.in)
}

func switchAtRandom(t *testing.T, l *Link, r *rand.Rand, drops bool) {
	configs := []Config{
		{Latency: steady(20 * ms), Jitter: 20 * ms, Direction: Both},
		{Latency: steady(5 * ms), Direction: Both},
		{Bandwidth: 500_000, Direction: Both},
		{Partition: ToTarget, Mode: Hold},
		{Loss: 0.1, Direction: Both},
		{Slice: &Slice{Size: 300, Vary: 200, Gap: 2 * ms}, Direction: Both},
		{Latency: Latency{From: 30 * ms}, Direction: Both},
		{Latency: steady(20 * ms), Jitter: 10 * ms, Distribution: Pareto, Requests: 0.5, Direction: Both},
		{SlowClose: 5 * ms, Direction: Both},
	}
	if drops {
		configs = append(configs, Config{Partition: Both})
	}
	all := make([]*Fault, len(configs))
	for i, c := range configs {
		all[i] = openFault(t, l, c)
	}
	for range 60 {
		f := all[r.IntN(len(all))]
		if r.IntN(2) == 0 {
			_ = f.Inject(context.Background())
		} else {
			_ = f.Heal(context.Background())
		}
		time.Sleep(time.Duration(r.IntN(4)) * ms)
	}
	for _, f := range all {
		_ = f.Heal(context.Background())
	}
}

func TestCompose(t *testing.T) {
	var active []*activeFault
	for i, c := range []Config{
		{Latency: steady(10 * ms), Jitter: 2 * ms},
		{Latency: steady(5 * ms), Direction: Both, Bandwidth: 1000},
		{Bandwidth: 500, Direction: ToTarget},
		{Partition: FromTarget, Mode: Hold},
		{Partition: Both},
	} {
		active = append(active, newActiveFault(openFault(t, bareLink(), c), uint64(i)))
	}
	compose := func(d direction, active ...*activeFault) *laneRules {
		return newActiveFaults(active).compose(newFlow(bareLink(), 1), d, 1)
	}
	to, from := compose(toTarget, active...), compose(fromTarget, active...)
	if to.most != 5*ms || from.most < 16*ms || from.most > 17*ms || len(from.delays) != 2 {
		t.Errorf("latencies: at most %v and %v", to.most, from.most)
	}
	if to.roundTrip != 20*ms || from.roundTrip != 20*ms {
		t.Errorf("round trips: %v and %v", to.roundTrip, from.roundTrip)
	}
	if to.pacer.rate != 500 || from.pacer.rate != 1000 {
		t.Errorf("bandwidths: %v and %v", to.pacer.rate, from.pacer.rate)
	}
	if !to.cut || !to.drop || !from.cut || !from.drop {
		t.Errorf("cuts: %+v, %+v", to, from)
	}
	if held := compose(fromTarget, active[:4]...); !held.cut || held.drop || compose(toTarget, active[:4]...).cut {
		t.Errorf("hold from the target: %+v", held)
	}
	if len(to.pacedBy) != 1 || to.pacedBy[0] != active[2] || len(from.pacedBy) != 0 {
		t.Errorf("paced by %v and %v", to.pacedBy, from.pacedBy)
	}
}
