package kafka

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/drivers"
	"wringer/faults/memnet"
)

// virtualCluster is a cluster of three brokers on a network in memory, whose topic has one partition.
type virtualCluster struct {
	*kfake.Cluster
	network memnet.Network
}

// aftermath bounds the virtual time in which leftovers end by themselves: sarama's consumers and circuit breakers sleep up to
// ten seconds.
const aftermath = time.Minute

// virtual makes a test of what runs in a synctest bubble: a busy machine makes no member late for its heartbeats.
//
// Virtual time stands still while a goroutine waits for a mutex. sarama holds a broker's mutex from a request to its answer,
// and a fetch waits for records. So the group's coordinator does not lead the topic's partition.
func virtual(test func(t *testing.T, c *virtualCluster)) func(*testing.T) {
	return func(t *testing.T) {
		metrics.NewMeter().Stop() // go-metrics' goroutine never ends, and must not belong to a bubble
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() { time.Sleep(aftermath) })
			c := &virtualCluster{}
			c.Cluster = newCluster(t, 1, kfake.GroupMinSessionTimeout(testSession), kfake.ListenFn(c.network.Listen))
			env := newEnv()
			coordinator := c.CoordinatorFor("wringer-" + env.Stream + "-" + env.Identity.Run)
			if err := c.MoveTopicPartition(topic, 0, (coordinator+1)%3); err != nil {
				t.Fatal(err)
			}
			test(t, c)
		})
	}
}

func (c *virtualCluster) env() drivers.Env {
	env := newEnv()
	env.Dial, env.Direct = c.network.Dial, c.network.Dial
	return env
}

func (c *virtualCluster) client(t *testing.T) *kgo.Client {
	return client(t, c.Cluster, kgo.Dialer(c.network.Dial))
}
