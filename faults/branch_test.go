package faults

import (
	"context"
	"errors"
	"strings"
	"testing"
)

type cluster struct {
	peers  map[string]string
	leader string
	err    error
}

func (c cluster) Peers(context.Context) (map[string]string, error) { return c.peers, c.err }
func (c cluster) Leader(context.Context, string, int32) (string, error) {
	return c.leader, c.err
}

func TestParseBranch(t *testing.T) {
	for text, want := range map[string]Branch{
		"broker-0":             {peer: "broker-0"},
		"broker-2147483647":    {peer: "broker-2147483647"},
		"leader(orders,0)":     {topic: "orders"},
		"leader( a.b_c-d , 7)": {topic: "a.b_c-d", partition: 7},
	} {
		if got, err := ParseBranch(text); got != want || err != nil {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "broker", "broker-", "broker-02", "broker--1", "broker-2147483648", "broker-2/x", "leader", "leader()", "leader(orders)",
		"leader(orders,)", "leader(,0)", "leader(orders,0", "leader(orders,-1)", "leader(orders,0,1)", "Broker-2",
	} {
		if b, err := ParseBranch(text); err == nil {
			t.Errorf("%s: read as %+v", text, b)
		}
	}
}

func TestFind(t *testing.T) {
	three := map[string]string{"broker-1": "a:1", "broker-2": "a:2", "broker-3": "a:3"}
	down := errors.New("down")
	for _, tt := range []struct {
		branch string
		in     cluster
		want   Peer
		fails  string
		nobody bool
	}{
		{branch: "broker-2", in: cluster{peers: three}, want: Peer{"broker-2", "a:2"}},
		{branch: "leader(orders,0)", in: cluster{peers: three, leader: "broker-3"}, want: Peer{"broker-3", "a:3"}},
		{branch: "broker-7", in: cluster{peers: three}, fails: "there is no broker-7; there are broker-1, broker-2, broker-3", nobody: true},
		{branch: "leader(orders,9)", in: cluster{peers: three}, fails: "there is no partition 9 of topic orders", nobody: true},
		{branch: "broker-1", in: cluster{peers: map[string]string{"broker-1": "a:1", "broker-2": "a:1"}}, fails: "cannot be told apart"},
		{branch: "broker-1", in: cluster{err: down}, fails: "down"},
		{branch: "leader(orders,0)", in: cluster{err: down}, fails: "down"},
	} {
		b, err := ParseBranch(tt.branch)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Find(t.Context(), tt.in)
		if tt.fails == "" && (err != nil || got != tt.want) {
			t.Errorf("%s: %+v, %v", tt.branch, got, err)
		}
		if tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails) || errors.Is(err, ErrNoPeer) != tt.nobody) {
			t.Errorf("%s: %v, want %s", tt.branch, err, tt.fails)
		}
	}
}
