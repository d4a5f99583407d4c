package amqp

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

// The broker is killed with -9 under confirmed publishes. Nothing that it confirmed is missing from a quorum queue, and from a
// classic queue of persistent messages. What a classic queue of transient messages loses is counted to the unit: what was
// confirmed, less what the broker itself counts afterwards.
func TestRealKill(t *testing.T) {
	tier.Slow(t, "kills and restarts a broker")
	node := rabbit.Start(t, 1)[0]
	topology := &Topology{Queues: make(map[string]Queue)}
	rounds := make([][]*victim, tier.Rounds(t, 5, 1))
	for seed := range rounds {
		all := []*victim{{kind: typeQuorum, persistent: true}, {kind: typeClassic, persistent: true}, {kind: typeClassic}}
		for i, v := range all {
			v.queue = fmt.Sprintf("%s-%d-%d", v.kind, seed, i)
			topology.Queues[v.queue] = Queue{Type: v.kind}
		}
		rounds[seed] = all
	}
	if _, err := realControl(t, node.URL()).declare(topology); err != nil {
		t.Fatal(err)
	}
	// RabbitMQ 3.10 writes a few seconds later where the log of a new quorum queue is (a DETS table of ra_directory). A node that is
	// killed before that does not find the log again: the queue has no leader, and its messages are neither lost nor to be had.
	drivers.Pause(t.Context(), 6*time.Second)
	for seed, all := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { killUnderLoad(t, node, rand.New(rand.NewPCG(uint64(seed), 2)), all) })
	}
}

// victim is a queue of the test, and the stream that publishes to it.
type victim struct {
	*account
	queue, kind string
	persistent  bool
}

func killUnderLoad(t *testing.T, node *rabbit.Node, rng *rand.Rand, all []*victim) {
	stop := make(chan struct{})
	var sending sync.WaitGroup
	for _, v := range all {
		v.account = openAccount(t, Config{URL: node.URL(), Queue: v.queue, Persistent: &v.persistent})
		v.send(t, 200)
		sending.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					v.send(t, 100)
				}
			}
		})
	}
	moment := time.Duration(rng.IntN(1500)) * time.Millisecond // of the kill
	t.Logf("killed after %v", moment)
	time.Sleep(moment)
	node.Kill()
	close(stop)
	sending.Wait()
	node.Start(t)
	node.Await(t)
	for _, v := range all {
		v.judge(t, node)
	}
}

// judge compares what the driver counts as lost with what the broker holds.
func (v *victim) judge(t *testing.T, node *rabbit.Node) {
	t.Helper()
	held := messages(t, node, v.queue)
	for end := time.Now().Add(realPatience); v.persistent && held == 0 && time.Now().Before(end); held = messages(t, node, v.queue) {
		drivers.Pause(t.Context(), time.Second) // a quorum queue tells its length every five seconds
	}
	source, err := newSource(v.env, access{url: node.URL()}, v.queue, v.queue, foreignQueue, fieldConfig{})
	if err != nil {
		t.Fatal(err)
	}
	seen, end := receive(t, source)
	catchUp(t, source)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	got := v.compare(seen.copy())
	t.Logf("%s, persistent %v: %+v, the broker held %d", v.queue, v.persistent, got, held)
	if n := len(seen.copy()); n != held {
		t.Errorf("%s: %d messages were read, and the broker held %d", v.queue, n, held)
	}
	present := make(map[uint64]bool)
	for _, d := range seen.copy() {
		if seq, whose := v.env.Identity.Parse(d.ID); whose == drivers.Ours && v.attempts[seq].Outcome == drivers.Acked {
			present[seq] = true
		}
	}
	switch {
	case got.lost != got.acked-len(present):
		t.Errorf("%s: %d are told as lost, and %d of %d are there", v.queue, got.lost, len(present), got.acked)
	case v.persistent && got.lost > 0:
		t.Errorf("%s lost %d confirmed messages", v.queue, got.lost)
	case !v.persistent && (held != 0 || got.lost != got.acked):
		t.Errorf("%s: %d transient messages survived, %d of %d are told as lost", v.queue, held, got.lost, got.acked)
	}
	if got.phantom > 0 || got.duplicates > 0 || got.foreign > 0 {
		t.Errorf("%s: %+v", v.queue, got)
	}
}

// messages is how many messages a queue holds, as rabbitmqctl says.
func messages(t testing.TB, node *rabbit.Node, queue string) int {
	t.Helper()
	for line := range strings.Lines(node.Do(t, "list_queues", "--no-table-headers", "name", "messages")) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == queue {
			count, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			return count
		}
	}
	t.Fatalf("rabbitmqctl lists no queue %s", queue)
	return 0
}
