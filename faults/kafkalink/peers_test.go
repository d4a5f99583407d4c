package kafkalink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/faults"
	"wringer/faults/toxi"
)

// produceTo sends a record to a partition. It says whether the record was acknowledged in time.
func produceTo(t *testing.T, c *kgo.Client, partition int32, in time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), in)
	defer cancel()
	return c.ProduceSync(ctx, &kgo.Record{Topic: "orders", Partition: partition, Value: []byte("x")}).FirstErr() == nil
}

// Each broker behind the link can be broken alone, at the level of bytes and of the protocol. A fault names it by id or as
// the leader.
func TestFaultOnOneBroker(t *testing.T) {
	cl := cluster(t)
	r := newRig(t, cl.ListenAddrs()...)
	for _, branch := range []string{"broker-1", "leader(orders,1)"} {
		bytes := toxi.Config{Link: r.link.Name() + "/" + branch, Partition: toxi.Both, Mode: toxi.Drop}
		cut, err := bytes.Open(r.env())
		if err != nil {
			t.Fatal(err)
		}
		for kind, f := range map[string]faults.Fault{
			"bytes": cut, "protocol": r.openOn(t, r.link.Name()+"/"+branch, Act{API: "produce", Drop: dropRequests}),
		} {
			c := franz(t, r, &dialRecorder{}, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0))
			if !produceTo(t, c, 0, patience) || !produceTo(t, c, 1, patience) {
				t.Fatal("not even without a fault")
			}
			if err := f.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !produceTo(t, c, 0, patience) {
				t.Errorf("%s on %s breaks broker-0", kind, branch)
			}
			if kind == "protocol" && f.Bite().Bit { // the client may ask broker-1 for metadata
				t.Errorf("%s on %s bit without a record to the broker", kind, branch)
			}
			if produceTo(t, c, 1, 300*time.Millisecond) {
				t.Errorf("%s on %s does not break broker-1", kind, branch)
			}
			if b := f.Bite(); !b.Bit || b.Peer != "broker-1" {
				t.Errorf("%s on %s bit as %+v", kind, branch, b)
			}
			c.Close()
			if err := errors.Join(f.Heal(t.Context()), f.Probe(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestPeersOfALink(t *testing.T) {
	cl := cluster(t)
	r := newRig(t, "127.0.0.1:1", cl.ListenAddrs()[2]) // no broker listens at the first address
	all, err := r.peers.Peers(t.Context())
	for i, address := range cl.ListenAddrs() {
		if got := all[brokerName(int32(i))]; got != address {
			t.Errorf("broker %d is at %q, not %s: %v", i, got, address, err)
		}
	}
	for _, absent := range []struct {
		topic     string
		partition int32
	}{{"orders", 6}, {"nothing", 0}} {
		name, err := r.peers.Resolve(t.Context(), fmt.Sprintf("leader(%s,%d)", absent.topic, absent.partition))
		if !errors.Is(err, faults.ErrNoPeer) {
			t.Errorf("%+v: %q leads it, %v", absent, name, err)
		}
	}
}

// Brokers that require a login do not answer the request for peers. They are known from the clients' answers.
func TestPeersThatWantALogin(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closing := make(chan struct{})
	go func() {
		defer close(closing)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	defer func() { l.Close(); <-closing }()
	r := newRig(t, l.Addr().String())
	if _, err := r.peers.Peers(t.Context()); err == nil || errors.Is(err, faults.ErrNoPeer) || !strings.Contains(err.Error(), "login") {
		t.Errorf("before any answer: %v", err)
	}
	known := r.peers.(*peers).mapping
	host, port := "10.0.0.7", int32(9092)
	if err := known.rewriteAddress(4, &host, &port); err != nil {
		t.Fatal(err)
	}
	if all, err := r.peers.Peers(t.Context()); err != nil || all["broker-4"] != "10.0.0.7:9092" {
		t.Errorf("then: %v, %v", all, err)
	}
}
