package kafkalink

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers/drivertest/tier"
	"wringer/faults/faulttest"
)

// realBroker starts one node of Apache Kafka, with the topic orders, which ends with the test. It skips the test if none is
// installed.
func realBroker(t *testing.T) []string {
	t.Helper()
	home := os.Getenv("WRINGER_KAFKA_HOME")
	if home == "" {
		t.Skip("no real broker: WRINGER_KAFKA_HOME does not name the folder of Apache Kafka's jars and its script `cluster`")
	}
	tier.Slow(t, "a broker starts")
	script, dir := filepath.Join(home, "cluster"), filepath.Join(t.TempDir(), "kafka")
	do := func(args ...string) {
		ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
		defer cancel()
		command := exec.CommandContext(ctx, script, args...)
		var said bytes.Buffer
		command.Stdout, command.Stderr, command.WaitDelay = &said, &said, time.Second // the node keeps the output open
		if err := command.Run(); err != nil && !strings.Contains(err.Error(), "WaitDelay") {
			t.Errorf("cluster %s: %v\n%s", args[0], err, said.String())
		}
	}
	t.Cleanup(func() { do("stop", dir) })
	do("start", dir, "--nodes", "1", "--port", fmt.Sprint(freePort(t)), "--heap", "384",
		"--set", "default.replication.factor=1", "--set", "min.insync.replicas=1", "--set", "offsets.topic.replication.factor=1")
	bootstrap, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	brokers := strings.Split(strings.TrimSpace(string(bootstrap)), ",")
	request := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "orders", 6, 1
	request.Topics, request.TimeoutMillis = append(request.Topics, topic), 10_000
	answer, err := request.RequestWith(t.Context(), plainClient(t, brokers))
	if err != nil || answer.Topics[0].ErrorCode != 0 {
		t.Fatal(answer, err)
	}
	return brokers
}

// freePort finds a port below those that systems assign, free for a broker and a controller beside it.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		base := 12000 + rand.IntN(16000)
		first, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", base))
		if err != nil {
			continue
		}
		second, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", base+100))
		first.Close()
		if err == nil {
			second.Close()
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

// Apache Kafka and two clients agree with what the link makes of batches and offsets.
func TestRealBroker(t *testing.T) {
	brokers := realBroker(t)
	fill(t, brokers, 40, kgo.SnappyCompression(), jsonValue)
	for name, consume := range groupClients {
		t.Run("rewind "+name, func(t *testing.T) { rewinds(t, brokers, name, consume) })
	}
	fill(t, brokers, 60, kgo.ZstdCompression(), func(i int) string { return jsonValue(40 + i) })
	five := 5
	for _, a := range []Act{{Corrupt: 0.1}, {Tombstone: 0.1}, {Truncate: &five, Share: 0.1}} {
		t.Run((&FaultConfig{Act: a}).Kind(), func(t *testing.T) { changesValues(t, brokers, a) })
	}
	t.Run("duplicate", func(t *testing.T) {
		r := newRig(t, brokers...)
		f := r.inject(t, Act{Duplicate: 1})
		c := franz(t, r, &dialRecorder{}, kgo.DisableIdempotentWrite(), kgo.ProduceRequestTimeout(patience))
		for i := range 10 {
			if err := c.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		read(t, plainClient(t, brokers, fromStart...), 620)
		f.awaitMatched(t, 10)
		faulttest.Heal(t, f)
	})
}
