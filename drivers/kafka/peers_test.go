package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"wringer/drivers"
)

func TestClusterTellsWhoLeads(t *testing.T) {
	c := newCluster(t, 3)
	d := openDriver(t, c, Config{}, newEnv())
	all, err := d.Peers(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%v, %v", all, err)
	}
	for id := range int32(3) {
		for p := range int32(3) {
			if err := c.MoveTopicPartition(topic, p, id); err != nil {
				t.Fatal(err)
			}
		}
		name, err := d.Resolve(t.Context(), fmt.Sprintf("leader(%s,1)", topic))
		if want := fmt.Sprintf("broker-%d", id); name != want || err != nil {
			t.Errorf("%s leads, not %s: %v", name, want, err)
		}
		if !slices.Contains(c.ListenAddrs(), all[name]) {
			t.Errorf("%s is at %s, where no broker is", name, all[name])
		}
	}
	for _, absent := range []struct {
		topic     string
		partition int32
	}{{topic, 3}, {"nothing", 0}, {"no topic!", 0}} {
		name, err := d.Resolve(t.Context(), fmt.Sprintf("leader(%s,%d)", absent.topic, absent.partition))
		if !errors.Is(err, drivers.ErrNoPeer) || !strings.Contains(err.Error(), fmt.Sprintf("there is no partition %d of topic %s", absent.partition, absent.topic)) {
			t.Errorf("%+v: %q leads it, %v", absent, name, err)
		}
	}
}

// The request for peers does not use the stream's link.
func TestClusterIsAskedPastTheLink(t *testing.T) {
	c, env := newCluster(t, 1), newEnv()
	cut := false
	env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if cut {
			return nil, net.ErrClosed
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	var d drivers.Peers = openDriver(t, c, Config{}, env)
	cut = true
	if all, err := d.Peers(t.Context()); err != nil || len(all) != 3 {
		t.Errorf("%v, %v", all, err)
	}
}
