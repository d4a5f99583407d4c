package kafka

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	open := func(config Config, ctx context.Context) error {
		d, err := config.Open(ctx, newEnv())
		if err == nil {
			d.Close()
		}
		return err
	}
	if err := open(Config{Brokers: brokers(c), Topic: "absent"}, t.Context()); !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), "absent") {
		t.Errorf("absent topic: %v", err)
	}
	var minInsync atomic.Int64
	c.ControlKey(int16(kmsg.CreateTopics), func(r kmsg.Request) (kmsg.Response, error, bool) {
		for _, config := range r.(*kmsg.CreateTopicsRequest).Topics[0].Configs {
			if n, err := strconv.Atoi(*config.Value); err == nil && config.Name == "min.insync.replicas" {
				minInsync.Store(int64(n))
			}
		}
		return nil, nil, false
	})
	if err := open(Config{Brokers: brokers(c), Topic: "made", Partitions: 5, MinInsync: 2}, t.Context()); err != nil {
		t.Errorf("topic to be created: %v", err)
	}
	if n := len(c.PartitionInfos("made")); n != 5 {
		t.Errorf("%d partitions", n)
	}
	if minInsync.Load() != 2 {
		t.Errorf("min.insync.replicas %d", minInsync.Load())
	}
	silent := drivertest.ServeRaw(t, (*drivertest.RawConn).Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := open(Config{Brokers: silent.Address(), Topic: topic}, ctx); !errors.Is(err, drivers.ErrUnreachable) {
		t.Errorf("silent broker: %v", err)
	}
	silent.Refuse()
	if err := open(Config{Brokers: silent.Address(), Topic: topic}, t.Context()); !errors.Is(err, drivers.ErrUnreachable) {
		t.Errorf("no broker: %v", err)
	}
	if err := open(Config{Brokers: "nowhere.invalid:9092", Topic: topic}, t.Context()); !errors.Is(err, drivers.ErrUnreachable) {
		t.Errorf("no such host: %v", err)
	}
}
