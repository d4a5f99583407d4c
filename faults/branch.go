package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
)

// CutBranch cuts LINK/BRANCH; branch is empty where the link is meant as a whole. A branch is a part of a link behind which
// are several peers. What may stand there is the protocol's own affair: see Peers.
func CutBranch(link string) (name, branch string) {
	name, branch, _ = strings.Cut(link, "/")
	return name, branch
}

// Peers tells who is behind a link now. Each call asks them anew, on a way that no fault breaks, and blocks until they have
// answered or ctx ends. Safe for concurrent use.
type Peers interface {
	// Peers returns the addresses, host:port, at which clients dial them, by name.
	Peers(ctx context.Context) (map[string]string, error)
	// Resolve returns the name of the peer that a branch means now. The error says why there is none.
	Resolve(ctx context.Context, branch string) (name string, err error)
}

// PeeredProtocol is a Protocol behind whose link are several peers.
type PeeredProtocol interface {
	Protocol
	// CheckBranch returns what is wrong with the text of a branch; nil when it can name a peer. It does no I/O.
	CheckBranch(branch string) error
	// Peers returns who they are, who are asked over connections made by dial. upstream tells the addresses behind the
	// link, as in Inlet.
	Peers(link Link, upstream func(ctx context.Context) ([]string, error), dial DialFunc) (Peers, error)
}

// ErrNoPeer says that a branch names no peer that is there.
var ErrNoPeer = errors.New("no such peer")

// Peer is one of those behind a link.
type Peer struct{ Name, Address string }

// FindPeer asks who it is that a branch means now. The error wraps ErrNoPeer where the peers answered and none of them has
// the name.
func FindPeer(ctx context.Context, peers Peers, branch string) (Peer, error) {
	name, err := peers.Resolve(ctx, branch)
	if err != nil {
		return Peer{}, err
	}
	all, err := peers.Peers(ctx)
	if err != nil {
		return Peer{}, err
	}
	address, ok := all[name]
	if !ok {
		return Peer{}, fmt.Errorf("%w: there is no %s; there are %s", ErrNoPeer, name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	for other, at := range all {
		if other != name && at == address {
			return Peer{}, fmt.Errorf("%s and %s have one address, %s, and cannot be told apart", name, other, address)
		}
	}
	return Peer{Name: name, Address: address}, nil
}

// Aim is what a fault on LINK/BRANCH breaks of its link. A nil one is the whole link. Safe for concurrent use.
type Aim struct {
	link, branch string
	peers        Peers
	at           atomic.Pointer[peerAddresses]
}

// mark is the peer that was aimed at, with the addresses that its name stands for.
type peerAddresses struct {
	Peer
	resolved []string
}

// Aim returns the link that a fault names, and its aim.
func (e Env) Aim(link string) (Link, *Aim, error) {
	name, branch := CutBranch(link)
	opened, err := e.Link(name)
	if err != nil || branch == "" {
		return opened, nil, err
	}
	a := &Aim{link: link, branch: branch}
	if a.peers, err = e.Peers(name); err != nil {
		return nil, nil, err
	}
	return opened, a, nil
}

// Take asks who the branch means now; the aim is at that one until it is called again.
func (a *Aim) Take(ctx context.Context) error {
	if a == nil {
		return nil
	}
	peer, err := FindPeer(ctx, a.peers, a.branch)
	if err != nil {
		return fmt.Errorf("link %s: %w", a.link, err)
	}
	m := &peerAddresses{Peer: peer}
	if host, port, err := net.SplitHostPort(peer.Address); err == nil {
		// A client may have dialled it by another name, to begin with.
		ips, _ := new(net.Resolver).LookupHost(ctx, host)
		for _, ip := range ips {
			m.resolved = append(m.resolved, net.JoinHostPort(ip, port))
		}
	}
	a.at.Store(m)
	return nil
}

// Covers says whether a connection is part of what is aimed at: address is where it was dialled, reached the address of its
// far end, empty while there is none.
func (a *Aim) Covers(address, reached string) bool {
	if a == nil {
		return true
	}
	m := a.at.Load()
	return m != nil && (address == m.Address || reached != "" && slices.Contains(m.resolved, reached))
}

// Peer is the one that is aimed at; nobody before Take, and for the whole link.
func (a *Aim) Peer() Peer {
	if a == nil {
		return Peer{}
	}
	if m := a.at.Load(); m != nil {
		return m.Peer
	}
	return Peer{}
}
