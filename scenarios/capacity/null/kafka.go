package null

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// partitions of each topic of a null target.
const partitions = 6

// What a null target keeps of a partition, at least, and how often it throws the rest away.
const (
	keptBytes    = 32 << 20
	segmentBytes = 8 << 20
	keptFor      = 100 * time.Millisecond
)

// Kafka starts a broker that has some topics and acknowledges every record. keep says that records can be read for a while, as replies to
// themselves are; otherwise it keeps none. It has no logins. With an authority it speaks TLS, and nothing else.
func Kafka(a *Authority, keep bool, topics ...string) (*Target, error) {
	t := &Target{}
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...)}
	if keep {
		options = append(options, kfake.BrokerConfigs(map[string]string{"log.retention.bytes": strconv.Itoa(keptBytes), "log.segment.bytes": strconv.Itoa(segmentBytes)}))
	} else {
		options = append(options, kfake.BlackholeProduce())
	}
	if secure := t.secure(a); secure != nil {
		secure.NextProtos = nil
		options = append(options, kfake.TLS(secure))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return nil, fmt.Errorf("start a null broker: %w", err)
	}
	t.address = cluster.ListenAddrs()[0]
	forget := func() {}
	if keep {
		forget = every(keptFor, cluster.ApplyRetention)
	}
	t.close = func() error { forget(); cluster.Close(); return nil }
	return t, nil
}

// every calls something again and again until stop is called, which waits for the last call.
func every(d time.Duration, call func()) (stop func()) {
	over := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(d)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				call()
			case <-over:
				return
			}
		}
	})
	return func() { close(over); running.Wait() }
}
