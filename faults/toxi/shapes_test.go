package toxi

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestDistributions: each distribution has its mean and its deviation, for chunks one by one and for dense chunks on
// many connections.
func TestDistributions(t *testing.T) {
	recorded := newSpread(integralOf([]time.Duration{5 * ms, 10 * ms, 10 * ms, 15 * ms, 60 * ms}), time.Nanosecond)
	for name, s := range map[string]*spread{
		"uniform": newSpread(shapes[Uniform], 10*ms), "normal": newSpread(shapes[Normal], 10*ms),
		"pareto": newSpread(shapes[Pareto], 10*ms), "recorded": recorded,
	} {
		if off := mean(s.fine) - s.mean; off.Abs() > time.Microsecond {
			t.Errorf("%s: the mean of the table is off by %v", name, off)
		}
		if off := mean(s.coarse) - s.mean; off.Abs() > time.Microsecond {
			t.Errorf("%s: the mean of the coarse table is off by %v", name, off)
		}
		var fresh, dense []time.Duration
		for lane := range uint64(200) {
			w, now := newJitterWalk(9, lane, toTarget), time.Time{}
			for range 100 {
				now = now.Add(time.Second)
				fresh = append(fresh, w.next(now, s, true))
			}
			last := time.Time{}
			for range 2000 {
				now = now.Add(ms)
				late := w.next(now, s, false)
				dense = append(dense, late)
				if due := now.Add(late); due.Before(last) {
					t.Fatalf("%s: a chunk overtakes the one before it", name)
				} else {
					last = due
				}
			}
		}
		// The error of the mean of 200 lanes that see a part of the distribution each.
		tolerance := time.Duration(3 * deviation(s.fine) / math.Sqrt(200))
		if off := mean(fresh) - s.mean; off.Abs() > tolerance {
			t.Errorf("%s: the mean of fresh draws is off by %v", name, off)
		}
		if off := mean(dense) - s.mean; off.Abs() > tolerance {
			t.Errorf("%s: the mean of dense draws is off by %v", name, off)
		}
	}
	for d, want := range map[Distribution]float64{Uniform: 10 / math.Sqrt(3), Normal: 10, Pareto: 10} {
		if got := deviation(newSpread(shapes[d], 10*ms).fine) / float64(ms); math.Abs(got/want-1) > 0.15 {
			t.Errorf("%s: the deviation is %.2f ms, want %.2f", d, got, want)
		}
	}
}

func deviation(ds []time.Duration) float64 {
	var squares float64
	m := mean(ds)
	for _, d := range ds {
		squares += math.Pow(float64(d-m), 2)
	}
	return math.Sqrt(squares / float64(len(ds)))
}

func TestRamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bareLink()
		inject(t, l, Config{Latency: Latency{To: 500 * ms}}) // over a second
		b := newBench(l, fromTarget)
		begun := time.Now()
		go func() {
			for range 12 {
				b.send("x")
				time.Sleep(100 * ms)
			}
			close(b.in)
		}()
		i := 0
		for c := range b.out {
			if want := min(c.Timestamp.Sub(begun)/2, 500*ms); time.Since(c.Timestamp) != want {
				t.Errorf("chunk %d waited %v, want %v", i, time.Since(c.Timestamp), want)
			}
			i++
		}
	})
}

// TestLossLooksLikeRetransmissions: lost segments are late by a retransmission timeout and its doublings, in a burst
// by a round trip. Other segments come at once unless they follow a lost one. The share of lost segments is right.
func TestLossLooksLikeRetransmissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bareLink()
		f := inject(t, l, Config{Loss: 0.2})
		b := newBench(l, fromTarget)
		const n = 2000
		go func() {
			for range n {
				b.send("x")
				time.Sleep(time.Minute) // long enough that no chunk waits for the previous one
			}
			close(b.in)
		}()
		late := map[time.Duration]int{}
		for _, d := range b.delays() {
			late[d]++
		}
		if once := late[200*ms]; once < n*12/100 || once > n*20/100 { // 0.2 * 0.8
			t.Errorf("%d of %d were sent twice", once, n)
		}
		if twice := late[600*ms]; twice < n*1/100 || twice > n*6/100 { // 0.2 * 0.2 * 0.8
			t.Errorf("%d of %d were sent three times", twice, n)
		}
		for d := range late {
			if steps := d/(200*ms) + 1; d%(200*ms) != 0 || steps&(steps-1) != 0 {
				t.Errorf("%d were late by %v, which is no sum of doubled timeouts", late[d], d)
			}
		}
		if lost := f.Bite().FromTarget.Bytes; lost != int64(n-late[0]) {
			t.Errorf("%d bytes bitten, %d late", lost, n-late[0])
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l := bareLink()
		inject(t, l, Config{Loss: 0.01})
		inject(t, l, Config{Latency: steady(40 * ms)})
		b := newBench(l, fromTarget)
		burst := strings.Repeat("x", 20*segment)
		go func() {
			for range 200 {
				b.send(burst)
				time.Sleep(time.Minute)
			}
			close(b.in)
		}()
		quick, slow, bytes := 0, 0, 0
		for c := range b.out {
			bytes += len(c.Data)
			switch time.Since(c.Timestamp) {
			case 80 * ms: // the latency and a round trip
				quick++
			case 280 * ms: // the latency and a timeout of 200 ms and a round trip
				slow++
			}
		}
		if quick < 10 || slow == 0 || slow > quick || bytes != 200*20*segment {
			t.Errorf("%d fast retransmits, %d timeouts, %d bytes", quick, slow, bytes)
		}
	})
}

func TestSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bareLink()
		f := inject(t, l, Config{Slice: &Slice{Size: 100, Vary: 50, Gap: 10 * ms}})
		b := newBench(l, fromTarget)
		go func() {
			b.send(strings.Repeat("x", 10_000))
			close(b.in)
		}()
		last, total, sizes := time.Now().Add(-10*ms), 0, map[int]bool{}
		for c := range b.out {
			n := len(c.Data)
			if total += n; total < 10_000 && (n < 50 || n > 150) || time.Since(last) != 10*ms {
				t.Errorf("a piece of %d bytes after %v", n, time.Since(last))
			}
			last, sizes[n] = time.Now(), true
		}
		if total != 10_000 || len(sizes) < 20 || f.Bite().FromTarget.Bytes != 10_000 {
			t.Errorf("%d bytes in pieces of %d sizes, bite %+v", total, len(sizes), f.Bite())
		}
	})
}

func TestSlowClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bareLink()
		f := inject(t, l, Config{SlowClose: 2 * time.Second})
		b := newBench(l, fromTarget)
		begun := time.Now()
		b.send("bye")
		close(b.in)
		if ds := b.delays(); len(ds) != 1 || ds[0] != 0 || time.Since(begun) != 2*time.Second {
			t.Errorf("delays %v, end after %v", ds, time.Since(begun))
		}
		if f.Bite().Connections != 1 {
			t.Errorf("bite %+v", f.Bite())
		}
	})
}

// TestHandshakes: the delays of new connections.
func TestHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(c Config, id uint64) time.Duration {
			l := bareLink()
			inject(t, l, c)
			return newFlow(l, id).handshake(l.active.Load(), time.Now())
		}
		if d := wait(Config{ConnectDelay: 300 * ms, Latency: steady(50 * ms), Direction: Both}, 1); d != 400*ms {
			t.Errorf("a delay and a latency: %v", d)
		}
		if d := wait(Config{Latency: steady(50 * ms), Requests: 1}, 1); d != 0 {
			t.Errorf("a latency of requests: %v", d)
		}
		late := map[time.Duration]int{}
		for id := range uint64(1000) {
			late[wait(Config{Loss: 0.3}, id)]++
		}
		if late[0] < 600 || late[time.Second] < 150 || late[3*time.Second] < 30 || late[2*time.Second] > 0 {
			t.Errorf("handshakes that lose packets: %v", late)
		}
	})
}

// TestRequestsAreCounted: a request of a byte stream is a burst to the target after bytes from the target.
func TestRequestsAreCounted(t *testing.T) {
	f := newFlow(bareLink(), 1)
	for i, step := range []struct {
		d    direction
		want uint64
	}{
		{fromTarget, 0}, {toTarget, 1}, {toTarget, 1}, {fromTarget, 1}, {fromTarget, 1}, {toTarget, 2}, {fromTarget, 2}, {toTarget, 3}, {toTarget, 3},
	} {
		if f.passes(step.d); f.requests.Load() != step.want {
			t.Errorf("step %d: request %d, want %d", i, f.requests.Load(), step.want)
		}
	}
}
