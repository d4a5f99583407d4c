package kafkalink

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults/faulttest"
)

// Of a plain producer requests are in the log twice, and the client gets the first answer.
func TestDuplicate(t *testing.T) {
	for name, produce := range map[string]func(t *testing.T, r *rig, n int){
		"sarama": func(t *testing.T, r *rig, n int) {
			config := saramaConfig(&dialRecorder{})
			config.Producer.Idempotent, config.Net.MaxOpenRequests = false, 5
			p, err := sarama.NewSyncProducer([]string{r.address}, config)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			last := make(map[int32]int64)
			for i := range n {
				partition, offset, err := p.SendMessage(&sarama.ProducerMessage{Topic: "orders", Value: sarama.StringEncoder(jsonValue(i))})
				if before, ok := last[partition]; err != nil || ok && offset != before+2 || !ok && offset != 0 {
					t.Fatalf("offset %d of %d after %d, %v: not that of the first answer", offset, partition, before, err)
				}
				last[partition] = offset
			}
		},
		"franz": func(t *testing.T, r *rig, n int) {
			c := franz(t, r, &dialRecorder{}, kgo.DisableIdempotentWrite())
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for i := range n {
				if err := c.ProduceSync(ctx, kgo.StringRecord(jsonValue(i))).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := cluster(t)
			r, a := newRig(t, cl.ListenAddrs()...), Act{Duplicate: 1}
			r.prepared(t, a)
			f := r.inject(t, a)
			produce(t, r, 30)
			all := read(t, franz(t, r, &dialRecorder{}, fromStart...), 60) // the last second one comes behind its answer
			f.awaitMatched(t, 30)
			var stored int64
			for p := range int32(6) {
				stored += cl.PartitionInfo("orders", p).HighWatermark
			}
			if stored != 60 || f.Matched() != 30 {
				t.Errorf("%d records in the log, want 60; %d requests counted, want 30", stored, f.Matched())
			}
			faulttest.Heal(t, f)
			for place, record := range all {
				if !strings.HasPrefix(string(record.Value), `{"orderId"`) {
					t.Errorf("%s: %q", place, record.Value)
				}
			}
		})
	}
}

// Brokers recognise what an idempotent or transactional producer sends again, so it is not sent, and the fault says why it
// touched nothing.
func TestDuplicateIsRefused(t *testing.T) {
	for name, more := range map[string][]kgo.Opt{"idempotent": nil, "transactional": {kgo.TransactionalID("tx")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := cluster(t)
			r := newRig(t, cl.ListenAddrs()...)
			f := r.inject(t, Act{Duplicate: 1})
			c := franz(t, r, &dialRecorder{}, more...)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if more != nil {
				if err := c.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 5 {
				if err := c.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			var stored int64
			for p := range int32(6) {
				stored += cl.PartitionInfo("orders", p).HighWatermark
			}
			if stored != 5 {
				t.Errorf("%d records in the log, want 5", stored)
			}
			if b := f.Bite(); b.Bit || !strings.Contains(b.Unmeasured, "5 requests came from idempotent or transactional producers") {
				t.Errorf("%+v", b)
			}
			faulttest.Heal(t, f)
		})
	}
}

// Answers stay in order where requests are pipelined: the first answer of each, and none without acks.
func TestDuplicateKeepsTheOrder(t *testing.T) {
	var heard []byte // the correlation ids
	r := newRig(t, serve(t, func(request []byte) []byte {
		heard = append(heard, request[11])
		if request[11] == 3 { // acks=0
			return []byte{}
		}
		return withLength(append(append([]byte{0, 0, 0, 0}, request[8:12]...), byte(len(heard))))
	}))
	f, c := r.inject(t, Act{Duplicate: 1}), r.dial(t)
	next := frame(int16(kmsg.ApiVersions), 0, 2)
	send(t, c, produce(1, -1), next, produce(3, 0), produce(4, 1), frame(int16(kmsg.ApiVersions), 0, 5))
	for _, want := range [][2]byte{{1, 1}, {2, 3}, {4, 6}, {5, 8}} {
		wants(t, c, "answer", []byte{0, 0, 0, 5, 0, 0, 0, want[0], want[1]})
	}
	if string(heard) != "\x01\x01\x02\x03\x03\x04\x04\x05" {
		t.Errorf("the broker heard %v", heard)
	}
	f.awaitMatched(t, 3)
	faulttest.Heal(t, f)
}

func TestConformanceOfDuplicate(t *testing.T) {
	a := Act{Duplicate: 1}
	faulttest.Run(t, func(t *testing.T) faulttest.Rig {
		cl := cluster(t)
		r := newRig(t, cl.ListenAddrs()...)
		return faulttest.Rig{Config: &FaultConfig{Link: "l", Act: a}, Fault: r.open(t, a), Meet: func(ctx context.Context) error {
			c, err := kgo.NewClient(kgo.SeedBrokers(r.address), kgo.DefaultProduceTopic("orders"), kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()), kgo.RequestRetries(3))
			if err != nil {
				return err
			}
			defer c.Close()
			return c.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr()
		}}
	})
}
