package kafka

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

func TestSourceConformance(t *testing.T) {
	for name, config := range map[string]func(brokers string) drivers.SourceConfig{
		"effect":  func(b string) drivers.SourceConfig { return &Effect{Brokers: b, Topic: topic} },
		"consume": func(b string) drivers.SourceConfig { return &Consume{Brokers: b, Topic: topic} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.RunSource(t, drivertest.SourceSubject{Start: func(t testing.TB) drivertest.Place {
				c := newCluster(t, 3)
				cl, n := client(t, c), int32(0)
				return drivertest.Place{Config: config(brokers(c)), Close: func() {}, Put: func(id []byte) {
					n++
					r := &kgo.Record{Partition: n % 3, Headers: []kgo.RecordHeader{{Key: HeaderID, Value: slices.Clone(id)}}}
					if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}}
			}})
		})
	}
}
