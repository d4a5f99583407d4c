package kafka

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"wringer/drivers"
)

// benchInFlight bounds the records under way in both producers.
const benchInFlight = 4096

// BenchmarkDriver and BenchmarkBareSarama send the same records to the same kind of cluster (which keeps nothing). What
// lies between them is the price of the accounting: contexts, identities, transmissions counted on the wire.
func BenchmarkDriver(b *testing.B) {
	for _, size := range []drivers.Bytes{100, 1024} {
		for _, compression := range []string{"none", "lz4"} {
			b.Run(fmt.Sprintf("%d/%s", size, compression), func(b *testing.B) {
				driverLoop(b, newCluster(b, 6, kfake.BlackholeProduce()).ListenAddrs(), Config{Size: size, Compression: compression})
			})
		}
	}
}

func driverLoop(b *testing.B, addresses []string, config Config) {
	config.Brokers, config.Topic = strings.Join(addresses, ","), topic
	opened, err := config.Open(b.Context(), newEnv())
	if err != nil {
		b.Fatal(err)
	}
	d := opened.(*Driver)
	defer d.Close()
	fly, stop := context.WithCancel(b.Context())
	defer stop()
	slots := make(chan *flightSlot, benchInFlight)
	for range benchInFlight {
		slots <- &flightSlot{}
	}
	b.SetBytes(int64(config.Size))
	b.ReportAllocs()
	b.ResetTimer()
	used := measureCPU(b)
	for i := range b.N {
		s := <-slots
		s.op = drivers.Op{Seq: uint64(i), Keyed: true, Key: uint64(i % 1000)}
		s.at.Reset(1, d.env.Clock())
		s.at.Timeout = time.Minute
		d.Send(fly, &s.op, &s.at, func() {
			if s.at.Outcome != drivers.Acked {
				b.Errorf("%+v", s.at)
			}
			slots <- s
		})
	}
	if err := d.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	used()
	b.StopTimer()
}

// measureCPU begins to measure the CPU time of this process, the brokers' included; what it returns reports it. Beside
// other load it tells more than the wall clock.
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

type flightSlot struct {
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

// BenchmarkReal is the same beside real brokers, whose CPU time is not this process's.
func BenchmarkReal(b *testing.B) {
	c := startReal(b)
	addresses := strings.Split(c.bootstrap, ",")
	d, err := (&Config{Brokers: c.bootstrap, Topic: topic, Partitions: 6}).Open(b.Context(), newEnv())
	if err != nil {
		b.Fatal(err)
	}
	d.Close()
	for _, size := range []int{100, 1024} {
		b.Run(fmt.Sprintf("driver/%d", size), func(b *testing.B) { driverLoop(b, addresses, Config{Size: drivers.Bytes(size)}) })
		b.Run(fmt.Sprintf("bare/%d", size), func(b *testing.B) { bareLoop(b, addresses, size, sarama.CompressionNone) })
	}
}

func bareLoop(b *testing.B, addresses []string, size int, codec sarama.CompressionCodec) {
	config := sarama.NewConfig()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Compression = codec
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 0
	p, err := sarama.NewAsyncProducer(addresses, config)
	if err != nil {
		b.Fatal(err)
	}
	slots := make(chan struct{}, benchInFlight)
	var drained sync.WaitGroup
	drained.Go(func() {
		for range p.Successes() {
			<-slots
		}
	})
	drained.Go(func() {
		for e := range p.Errors() {
			b.Error(e)
			<-slots
		}
	})
	id := drivers.Identity{Run: "r1", Stream: "s"}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	used := measureCPU(b)
	for i := range b.N {
		slots <- struct{}{}
		value := make([]byte, size)
		copy(value, `{"id":"r1.s.1"}`)
		p.Input() <- &sarama.ProducerMessage{Topic: topic, Key: sarama.ByteEncoder(drivers.AppendKey(nil, uint64(i%1000))),
			Value: sarama.ByteEncoder(value), Headers: []sarama.RecordHeader{{Key: headerID, Value: id.Append(nil, uint64(i))}}}
	}
	for range benchInFlight {
		slots <- struct{}{}
	}
	used()
	b.StopTimer()
	p.AsyncClose()
	drained.Wait()
}

// BenchmarkReader is what it costs to look at a record on its way out.
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
