package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// cluster resolves the branches in its table.
type cluster struct {
	peers   map[string]string
	resolve map[string]string
	err     error
}

func (c cluster) Peers(context.Context) (map[string]string, error) { return c.peers, c.err }

func (c cluster) Resolve(_ context.Context, branch string) (string, error) {
	return cmp.Or(c.resolve[branch], branch), c.err
}

func TestFindPeer(t *testing.T) {
	three := map[string]string{"one": "a:1", "two": "a:2", "three": "a:3"}
	down, nobody := errors.New("down"), fmt.Errorf("%w: the shard has no leader", ErrNoPeer)
	for _, tt := range []struct {
		branch string
		in     cluster
		want   Peer
		fails  string
		nobody bool
	}{
		{branch: "two", in: cluster{peers: three}, want: Peer{"two", "a:2"}},
		{branch: "whoever leads", in: cluster{peers: three, resolve: map[string]string{"whoever leads": "three"}}, want: Peer{"three", "a:3"}},
		{branch: "seven", in: cluster{peers: three}, fails: "there is no seven; there are one, three, two", nobody: true},
		{branch: "whoever leads", in: cluster{peers: three, err: nobody}, fails: "the shard has no leader", nobody: true},
		{branch: "one", in: cluster{peers: map[string]string{"one": "a:1", "two": "a:1"}}, fails: "cannot be told apart"},
		{branch: "one", in: cluster{err: down}, fails: "down"},
	} {
		got, err := FindPeer(t.Context(), tt.in, tt.branch)
		if tt.fails == "" && (err != nil || got != tt.want) {
			t.Errorf("%s: %+v, %v", tt.branch, got, err)
		}
		if tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails) || errors.Is(err, ErrNoPeer) != tt.nobody) {
			t.Errorf("%s: %v, want %s", tt.branch, err, tt.fails)
		}
	}
}
