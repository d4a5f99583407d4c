package amqp

import (
	"context"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
)

const (
	// benchInFlight bounds the messages under way on both sides.
	benchInFlight = 500
	// turns is how often the two sides take turns. Each side sends b.N messages in all.
	turns = 20
)

// BenchmarkAgainstBare compares the driver with a bare loop of amqp091-go, in turn, in one run against a real broker. The driver does
// its full accounting: identities, confirms, the queue read back. The bare loop publishes the same messages with confirms and consumes
// them. The benchmark reports both sides' messages a second and a CPU-second of this process. The ratio is the driver's speed relative to the bare
// loop (1 is equal). In a CPU profile each side has its label: pprof -tagfocus side=driver.
func BenchmarkAgainstBare(b *testing.B) {
	url := rabbit.URL(b)
	for _, size := range []int{100, 1024} {
		b.Run(strconv.Itoa(size), func(b *testing.B) { againstBare(b, url, size) })
	}
}

func againstBare(b *testing.B, url string, size int) {
	var d *loop
	labelled("driver", func() { d = openLoop(b, url, size) })
	defer d.close(b)
	var bare *bareLoop
	labelled("bare", func() { bare = openBare(b, url, size) })
	defer bare.close(b)
	var side [2]struct{ wall, cpu []float64 } // time per message, of each turn
	n := max(1, b.N/turns)
	d.send(b, n/10+1)
	bare.send(b, n/10+1)
	b.ResetTimer()
	for turn := range turns {
		for k := range 2 {
			which := (turn + k) % 2
			runtime.GC() // each side pays for its own garbage collection
			began, cpu := time.Now(), cpuTime(b)
			if which == 0 {
				labelled("driver", func() { d.send(b, n) })
			} else {
				labelled("bare", func() { bare.send(b, n) })
			}
			side[which].wall = append(side[which].wall, float64(time.Since(began))/float64(n))
			side[which].cpu = append(side[which].cpu, float64(cpuTime(b)-cpu)/float64(n))
		}
	}
	b.StopTimer()
	middle := func(all []float64) float64 { slices.Sort(all); return all[len(all)/2] }
	for which, name := range []string{"driver", "bare"} {
		b.ReportMetric(1e9/middle(side[which].wall), name+"/s")
		b.ReportMetric(1e9/middle(side[which].cpu), name+"/cpu-s")
	}
	b.ReportMetric(middle(side[1].wall)/middle(side[0].wall), "rate-share")
	b.ReportMetric(middle(side[1].cpu)/middle(side[0].cpu), "cpu-share")
	b.ReportMetric(0, "ns/op") // the sum of both sides says nothing
}

// labelled runs do under a profiler's label. Goroutines that do starts inherit the label.
func labelled(side string, do func()) {
	pprof.Do(context.Background(), pprof.Labels("side", side), func(context.Context) { do() })
}

func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// counted counts messages that came, and tells when a number is reached.
type counted struct {
	mu      sync.Mutex
	n, want int
	reached chan struct{}
}

func (c *counted) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n++; c.reached != nil && c.n >= c.want {
		close(c.reached)
		c.reached = nil
	}
}

// await waits until so many more have come.
func (c *counted) await(b *testing.B, more int) {
	c.mu.Lock()
	c.want += more
	if c.n >= c.want {
		c.mu.Unlock()
		return
	}
	reached := make(chan struct{})
	c.reached = reached
	c.mu.Unlock()
	select {
	case <-reached:
	case <-time.After(realPatience):
		b.Fatal("messages did not come")
	}
}

// loop is a driver under load, and its source.
type loop struct {
	*Driver
	slots chan *slot
	seq   uint64
	seen  counted
	stop  func()
	ended chan error
	from  drivers.Source
}

type slot struct {
	op drivers.Op
	at drivers.Attempt
}

func benchQueue(name string) *Topology {
	return &Topology{Queues: map[string]Queue{name: {}}}
}

func openLoop(b *testing.B, url string, size int) *loop {
	queue := freshName("bench")
	d, err := (&Config{URL: url, Queue: queue, Declare: benchQueue(queue), Size: drivers.Bytes(size)}).Open(b.Context(), testEnv(b))
	if err != nil {
		b.Fatal(err)
	}
	l := &loop{Driver: d.(*Driver), slots: make(chan *slot, benchInFlight), ended: make(chan error, 1)}
	for range benchInFlight {
		l.slots <- &slot{}
	}
	if l.from, err = l.Source(); err != nil {
		b.Fatal(err)
	}
	if err := l.from.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	reader := l.env.Identity.Reader()
	go func() {
		l.ended <- l.from.Receive(ctx, func(d *drivers.Delivery) {
			if _, whose := reader.Parse(d.ID); whose == drivers.Ours && !d.Redelivered {
				l.seen.add()
			}
		})
	}()
	return l
}

// send publishes n messages, and waits until all were confirmed and read back.
func (l *loop) send(b *testing.B, n int) {
	for range n {
		s := <-l.slots
		s.op = drivers.Op{Seq: l.seq, Keyed: true, Key: l.seq % 1000}
		l.seq++
		s.at.Reset(1, l.env.Clock())
		s.at.Timeout = time.Minute
		l.Send(b.Context(), &s.op, &s.at, func() {
			if s.at.Outcome != drivers.Acked {
				b.Errorf("%+v", s.at)
			}
			l.slots <- s
		})
	}
	if err := l.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	l.seen.await(b, n)
}

func (l *loop) close(b *testing.B) {
	l.stop()
	if err := <-l.ended; err != nil {
		b.Error(err)
	}
	if err := l.from.Close(); err != nil {
		b.Error(err)
	}
	if err := l.Driver.Close(); err != nil {
		b.Error(err)
	}
}

// bareLoop is the library and nothing else: one connection that publishes with confirms, and one that consumes.
type bareLoop struct {
	queue      string
	size       int
	out, in    *library.Connection
	publishing *library.Channel
	slots      chan struct{}
	seen       counted
	seq        uint64
	all        sync.WaitGroup
}

func openBare(b *testing.B, url string, size int) *bareLoop {
	l := &bareLoop{queue: freshName("bench"), size: size, slots: make(chan struct{}, benchInFlight)}
	var err error
	must := func(failed error) {
		if failed != nil {
			b.Fatal(failed)
		}
	}
	l.out, err = library.Dial(url)
	must(err)
	l.in, err = library.Dial(url)
	must(err)
	l.publishing, err = l.out.Channel()
	must(err)
	_, err = l.publishing.QueueDeclare(l.queue, true, false, false, false, nil)
	must(err)
	must(l.publishing.Confirm(false))
	confirms := l.publishing.NotifyPublish(make(chan library.Confirmation, benchInFlight))
	l.all.Go(func() {
		for c := range confirms {
			if !c.Ack {
				b.Error("nacked")
			}
			<-l.slots
		}
	})
	consuming, err := l.in.Channel()
	must(err)
	must(consuming.Qos(prefetch, 0, false))
	deliveries, err := consuming.Consume(l.queue, "", false, false, false, false, nil)
	must(err)
	l.all.Go(func() { l.consume(consuming, deliveries) })
	return l
}

// consume acks as the driver's source does: many at once, or what came when nothing more is ready.
func (l *bareLoop) consume(ch *library.Channel, deliveries <-chan library.Delivery) {
	unacked, last := 0, uint64(0)
	for {
		var m library.Delivery
		var ok bool
		select {
		case m, ok = <-deliveries:
		default:
			if unacked > 0 {
				_ = ch.Ack(last, true)
				unacked = 0
			}
			m, ok = <-deliveries
		}
		if !ok {
			return
		}
		l.seen.add()
		if unacked, last = unacked+1, m.DeliveryTag; unacked == ackEvery {
			_ = ch.Ack(last, true)
			unacked = 0
		}
	}
}

// send publishes n messages, and waits until all were confirmed and consumed.
func (l *bareLoop) send(b *testing.B, n int) {
	id := drivers.Identity{Run: "r1", Stream: "s"}
	for range n {
		l.slots <- struct{}{}
		body := make([]byte, l.size)
		copy(body, `{"id":"r1.s.1"}`)
		err := l.publishing.Publish("", l.queue, true, false, library.Publishing{ContentType: defaultContentType, DeliveryMode: library.Persistent,
			Headers: library.Table{HeaderID: id.Text(l.seq)}, Body: body})
		if err != nil {
			b.Fatal(err)
		}
		l.seq++
	}
	for range benchInFlight {
		l.slots <- struct{}{}
	}
	for range benchInFlight {
		<-l.slots
	}
	l.seen.await(b, n)
}

func (l *bareLoop) close(b *testing.B) {
	if _, err := l.publishing.QueueDelete(l.queue, false, false, false); err != nil {
		b.Error(err)
	}
	l.out.Close()
	l.in.Close()
	l.all.Wait()
}
