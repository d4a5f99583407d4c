package kafka

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"wringer/drivers"
)

// benchInFlight bounds the records under way in both producers.
const benchInFlight = 4096

// BenchmarkDriver and BenchmarkBareSarama send the same records to the same kind of cluster, which keeps nothing. The
// difference is the cost of the accounting: contexts, identities, and transmissions counted on the wire.
func BenchmarkDriver(b *testing.B) {
	for _, size := range []drivers.Bytes{100, 1024} {
		for _, compression := range []string{"none", "lz4"} {
			b.Run(fmt.Sprintf("%d/%s", size, compression), func(b *testing.B) {
				driverLoop(b, newCluster(b, 6, kfake.BlackholeProduce()).ListenAddrs(), Config{Size: size, Compression: compression})
			})
		}
	}
}

// loop is a driver under load.
type loop struct {
	*Driver
	fly   context.Context
	stop  func()
	slots chan *attemptSlot
	seq   uint64
}

func openLoop(b *testing.B, addresses []string, config Config, requests *atomic.Int64) *loop {
	config.Brokers, config.Topic = strings.Join(addresses, ","), topic
	env := newEnv()
	dial := env.Dial
	env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &counted{conn, requests}, err
	}
	opened, err := config.Open(b.Context(), env)
	if err != nil {
		b.Fatal(err)
	}
	l := &loop{Driver: opened.(*Driver), slots: make(chan *attemptSlot, benchInFlight)}
	l.fly, l.stop = context.WithCancel(b.Context())
	for range benchInFlight {
		l.slots <- &attemptSlot{}
	}
	return l
}

// send sends n records and waits for them.
func (l *loop) send(b *testing.B, n int) {
	for range n {
		s := <-l.slots
		s.op = drivers.Op{Seq: l.seq, Keyed: true, Key: l.seq % 1000}
		l.seq++
		s.at.Reset(1, l.env.Clock())
		s.at.Timeout = time.Minute
		l.Send(l.fly, &s.op, &s.at, func() {
			if s.at.Outcome != drivers.Acked {
				b.Errorf("%+v", s.at)
			}
			l.slots <- s
		})
	}
	if err := l.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func (l *loop) close() {
	l.stop()
	l.Driver.Close()
}

func driverLoop(b *testing.B, addresses []string, config Config) {
	l := openLoop(b, addresses, config, new(atomic.Int64))
	defer l.close()
	b.SetBytes(int64(config.Size))
	b.ReportAllocs()
	b.ResetTimer()
	used := measureCPU(b)
	l.send(b, b.N)
	used()
	b.StopTimer()
}

// measureCPU starts to measure the CPU time of this process, the brokers included; the returned function reports it. On a
// busy machine CPU time says more than wall time.
func measureCPU(b *testing.B) (report func()) {
	began := cpuTime(b)
	return func() { b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op") }
}

func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

type attemptSlot struct {
	op drivers.Op
	at drivers.Attempt
}

func BenchmarkBareSarama(b *testing.B) {
	for _, size := range []int{100, 1024} {
		for _, compression := range []string{"none", "lz4"} {
			b.Run(fmt.Sprintf("%d/%s", size, compression), func(b *testing.B) {
				bareLoop(b, newCluster(b, 6, kfake.BlackholeProduce()).ListenAddrs(), size, codecByName[compression])
			})
		}
	}
}

// BenchmarkAgainstBare compares the driver with full accounting to the bare loop, taking turns in one run. Both send the
// same records to the same brokers, which run in processes of their own. It reports both sides' records a second and a
// CPU-second of this process. It also reports the driver's speed relative to the bare loop (1 is equal), and the records
// per request. The brokers are Apache Kafka's if WRINGER_KAFKA_HOME names them, otherwise kfake. In a CPU profile each side
// has its label: pprof -tagfocus side=driver.
func BenchmarkAgainstBare(b *testing.B) {
	addresses := benchBrokers(b)
	for _, size := range []int{100, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { againstBare(b, addresses, size) })
	}
}

// turns is how often the two sides take turns. Each side sends b.N records in all.
const turns = 20

func againstBare(b *testing.B, addresses []string, size int) {
	var d *loop
	var requests [2]atomic.Int64 // sent by either side
	labelled("driver", func() { d = openLoop(b, addresses, Config{Size: drivers.Bytes(size)}, &requests[0]) })
	defer d.close()
	var bare *bare
	labelled("bare", func() { bare = openBare(b, addresses, sarama.CompressionNone, &requests[1]) })
	defer bare.close()
	floor := make([]byte, 32<<20) // as wringer sets it during a run; it makes the bare loop faster too
	defer runtime.KeepAlive(floor)
	var side [2]struct{ wall, cpu []float64 } // time per record, of each turn
	n := max(1, b.N/turns)
	d.send(b, n/10+1)
	bare.send(b, n/10+1, size)
	requests[0].Store(0)
	requests[1].Store(0)
	b.ResetTimer()
	for turn := range turns {
		for k := range 2 {
			which := (turn + k) % 2
			runtime.GC() // each side pays for its own garbage collection
			began, cpu := time.Now(), cpuTime(b)
			if which == 0 {
				labelled("driver", func() { d.send(b, n) })
			} else {
				labelled("bare", func() { bare.send(b, n, size) })
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
		b.ReportMetric(float64(turns*n)/float64(requests[which].Load()), name+"-records/request")
	}
	b.ReportMetric(middle(side[1].wall)/middle(side[0].wall), "rate-share")
	b.ReportMetric(middle(side[1].cpu)/middle(side[0].cpu), "cpu-share")
	b.ReportMetric(0, "ns/op") // the sum of both sides says nothing
}

// labelled runs do under a profiler's label. Goroutines that do starts inherit the label.
func labelled(side string, do func()) {
	pprof.Do(context.Background(), pprof.Labels("side", side), func(context.Context) { do() })
}

// benchBrokers starts brokers in processes of their own, which end with the benchmark. The topic exists.
func benchBrokers(b *testing.B) []string {
	if os.Getenv("WRINGER_KAFKA_HOME") != "" {
		c := startReal(b)
		d, err := (&Config{Brokers: c.bootstrap, Topic: topic, Partitions: 6}).Open(b.Context(), newEnv())
		if err != nil {
			b.Fatal(err)
		}
		d.Close()
		return strings.Split(c.bootstrap, ",")
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), serveBrokers+"=1")
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = command.Wait() })
	text, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(text), ",")
}

// serveBrokers, in the environment, makes this program the brokers of a benchmark.
const serveBrokers = "WRINGER_SERVE_BROKERS"

// serveBenchmarkBrokers serves brokers that keep nothing, until its input ends.
func serveBenchmarkBrokers() int {
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(6, topic), kfake.BlackholeProduce())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer c.Close()
	fmt.Println(strings.Join(c.ListenAddrs(), ","))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// bare is sarama's producer and nothing else.
type bare struct {
	producer sarama.AsyncProducer
	slots    chan struct{}
	drained  sync.WaitGroup
}

func openBare(b *testing.B, addresses []string, codec sarama.CompressionCodec, requests *atomic.Int64) *bare {
	config := sarama.NewConfig()
	config.Net.Proxy.Enable, config.Net.Proxy.Dialer = true, counting{requests}
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Compression = codec
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 0
	config.ChannelBufferSize, config.MetricRegistry = 1024, noMetrics{} // they make it faster
	p, err := sarama.NewAsyncProducer(addresses, config)
	if err != nil {
		b.Fatal(err)
	}
	l := &bare{producer: p, slots: make(chan struct{}, benchInFlight)}
	l.drained.Go(func() {
		for range p.Successes() {
			<-l.slots
		}
	})
	l.drained.Go(func() {
		for e := range p.Errors() {
			b.Error(e)
			<-l.slots
		}
	})
	return l
}

// counting dials connections that count their Produce requests.
type counting struct{ requests *atomic.Int64 }

// Dial implements proxy.Dialer.
func (c counting) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	return &counted{conn, c.requests}, err
}

type counted struct {
	net.Conn
	requests *atomic.Int64
}

// Write implements net.Conn.
func (c *counted) Write(p []byte) (int, error) {
	if head, err := parseHead(p); err == nil && head.key == produceKey {
		c.requests.Add(1)
	}
	return c.Conn.Write(p)
}

// send sends n records and waits for them.
func (l *bare) send(b *testing.B, n, size int) {
	id := drivers.Identity{Run: "r1", Stream: "s"}
	for i := range n {
		l.slots <- struct{}{}
		value := make([]byte, size)
		copy(value, `{"id":"r1.s.1"}`)
		l.producer.Input() <- &sarama.ProducerMessage{Topic: topic, Key: sarama.ByteEncoder(drivers.AppendKey(nil, uint64(i%1000))),
			Value: sarama.ByteEncoder(value), Headers: []sarama.RecordHeader{{Key: headerID, Value: id.Append(nil, uint64(i))}}}
	}
	for range benchInFlight {
		l.slots <- struct{}{}
	}
	for range benchInFlight {
		<-l.slots
	}
}

func (l *bare) close() {
	l.producer.AsyncClose()
	l.drained.Wait()
}

func bareLoop(b *testing.B, addresses []string, size int, codec sarama.CompressionCodec) {
	l := openBare(b, addresses, codec, new(atomic.Int64))
	defer l.close()
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	used := measureCPU(b)
	l.send(b, b.N, size)
	used()
	b.StopTimer()
}

// BenchmarkReader measures the cost of parsing a record on its way out.
func BenchmarkReader(b *testing.B) {
	for _, compression := range []string{"none", "lz4", "zstd"} {
		b.Run(compression, func(b *testing.B) {
			var largest []byte
			for _, frame := range requests(b, Config{Compression: compression, Size: 100}, 2000) {
				if len(frame) > len(largest) {
					largest = frame
				}
			}
			reader := newReader(newEnv().Identity)
			head, err := parseHead(largest)
			if err != nil {
				b.Fatal(err)
			}
			records := 0
			b.ReportAllocs()
			for b.Loop() {
				all, _, err := reader.read(head)
				if err != nil {
					b.Fatal(err)
				}
				for _, c := range all {
					records += len(c.refs)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
		})
	}
}
