package amqp

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

// One node of three is cut off from the other two, as by a broken switch, while clients reach all of them. The packets between the
// nodes are dropped by nft. Nothing that was confirmed is missing from a quorum queue afterwards.
func TestRealPartition(t *testing.T) {
	tier.Slow(t, "starts three nodes of RabbitMQ, and cuts one off")
	if os.Geteuid() != 0 {
		t.Skip("not root: no packets between nodes can be dropped")
	}
	if out, err := exec.Command("nft", "list", "tables").CombinedOutput(); err != nil {
		t.Skipf("no packets between nodes can be dropped: nft: %v: %s", err, out)
	}
	nodes := rabbit.Start(t, 3)
	var addresses []string
	for _, node := range nodes {
		_, host, _ := strings.Cut(strings.TrimSuffix(node.URL(), "/"), "@")
		addresses = append(addresses, host)
	}
	const queue = "orders"
	a := openAccount(t, Config{URL: "amqp://guest:guest@" + strings.Join(addresses, ",") + "/", Queue: queue, Connections: 3,
		Declare: &Topology{Queues: map[string]Queue{queue: {Type: typeQuorum, Arguments: map[string]any{"x-quorum-initial-group-size": 3}}}}})
	a.send(t, 300)
	const slow = 2 * realPatience // the nodes notice the cut after their ticks, and the node that paused starts its applications anew
	heal := cutOff(t, nodes[0].Host, nodes[1].Host, nodes[2].Host)
	// The node that is alone notices, and pauses: it closes its clients' connections. The others go on.
	within(t, slow, "the cut to be noticed", func() bool {
		a.send(t, 30)
		return strings.Contains(nodes[1].Do(t, "cluster_status"), "Network Partitions") && !running(t, nodes[1], nodes[0].Host)
	})
	within(t, slow, "acks by the two nodes", func() bool { return a.all(t, 30) })
	dropped := heal()
	if dropped == 0 {
		t.Error("no packet was dropped between the nodes")
	}
	within(t, slow, "the node to be back", func() bool { return running(t, nodes[1], nodes[0].Host) })
	within(t, slow, "acks by all", func() bool { return a.all(t, 30) })
	// The queue is read afterwards: a consumer on the node that paused would be counted beside its successor, as another's.
	source, err := newSource(a.env, access{url: nodes[1].URL()}, queue, queue, foreignQueue, fieldConfig{})
	if err != nil {
		t.Fatal(err)
	}
	seen, end := receive(t, source)
	catchUp(t, source)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	got := a.compare(seen.copy())
	t.Logf("%+v, %d packets were dropped", got, dropped)
	if got.lost > 0 || got.phantom > 0 || got.duplicates > 0 || got.redelivered > 0 {
		t.Errorf("%+v", got)
	}
}

// within waits until is holds.
func within(t testing.TB, limit time.Duration, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !is(); drivers.Pause(t.Context(), 100*time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// all sends, and says whether all was acked.
func (a *account) all(t testing.TB, n int) bool {
	t.Helper()
	before := len(a.attempts)
	a.send(t, n)
	for _, at := range a.attempts[before:] {
		if at.Outcome.String() != "acked" {
			return false
		}
	}
	return true
}

// running says whether a node lists another as running.
func running(t testing.TB, node *rabbit.Node, host string) bool {
	t.Helper()
	_, rest, found := strings.Cut(node.Do(t, "cluster_status"), "Running Nodes")
	list, _, _ := strings.Cut(rest, "Versions")
	return found && strings.Contains(list, "@"+host)
}

// cutOff drops every packet between a node and others. heal ends that, and returns how many packets were dropped.
func cutOff(t testing.TB, node string, others ...string) (heal func() (dropped int)) {
	t.Helper()
	table, far := fmt.Sprintf("wringer_test_%d", os.Getpid()), "{ "+strings.Join(others, ", ")+" }"
	nft := func(script string) (string, error) {
		c := exec.Command("nft", "-f", "-")
		c.Stdin = strings.NewReader(script)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	remove := func() { _, _ = nft("delete table ip " + table) }
	t.Cleanup(remove)
	script := fmt.Sprintf("table ip %s {\n counter cut {}\n chain input { type filter hook input priority 0;\n ip saddr %s ip daddr %s counter name cut drop\n ip saddr %s ip daddr %s counter name cut drop\n }\n}\n",
		table, node, far, far, node)
	if out, err := nft(script); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return func() (dropped int) {
		out, err := exec.Command("nft", "list", "counter", "ip", table, "cut").CombinedOutput()
		if err != nil {
			t.Errorf("nft: %v: %s", err, out)
		}
		if _, rest, found := strings.Cut(string(out), "packets "); found {
			_, _ = fmt.Sscan(rest, &dropped)
		}
		remove()
		return dropped
	}
}
