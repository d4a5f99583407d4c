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

// CutBranch cuts LINK/BRANCH. branch is empty if the whole link is meant. A branch names one of several peers behind a
// link. The protocol defines its text: see Peers.
func CutBranch(link string) (name, branch string) {
	name, branch, _ = strings.Cut(link, "/")
	return name, branch
}

// Peers finds the peers behind a link. Each call asks the peers anew, on a path that no fault breaks, and blocks until they
// answer or ctx ends. Safe for concurrent use.
type Peers interface {
	// Peers returns the peers' addresses, host:port as clients dial them, by name.
	Peers(ctx context.Context) (map[string]string, error)
	// Resolve returns the name of the peer that a branch means now. The error says why there is none.
	Resolve(ctx context.Context, branch string) (name string, err error)
}

// PeeredProtocol is a Protocol whose links can have several peers behind them.
type PeeredProtocol interface {
	Protocol
	// CheckBranch returns what is wrong with a branch's text, nil if it can name a peer. It does no I/O.
	CheckBranch(branch string) error
	// Peers returns the peers behind the link, and asks them over connections made by dial. upstream returns the addresses
	// behind the link, as in Inlet.
	Peers(link Link, upstream func(ctx context.Context) ([]string, error), dial DialFunc) (Peers, error)
}

// ErrNoPeer says that no peer has the name of a branch.
var ErrNoPeer = errors.New("no such peer")

// Peer is one of the peers behind a link.
type Peer struct{ Name, Address string }

// FindPeer finds the peer that a branch means now. The error wraps ErrNoPeer if the peers answered and none has the name.
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

// Aim is the part of a link that a fault on LINK/BRANCH breaks. A nil Aim is the whole link. Safe for concurrent use.
type Aim struct {
	link, branch string
	peers        Peers
	at           atomic.Pointer[peerAddresses]
}

// peerAddresses is the chosen peer, with the addresses that its name resolves to.
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

// Take finds the peer that the branch means now. The aim stays on this peer until the next call.
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
		// A client may have dialled the peer by another name at first.
		ips, _ := new(net.Resolver).LookupHost(ctx, host)
		for _, ip := range ips {
			m.resolved = append(m.resolved, net.JoinHostPort(ip, port))
		}
	}
	a.at.Store(m)
	return nil
}

// Covers says whether a connection belongs to the aim. address is the address that was dialled; reached is the remote
// address, empty without a connection.
func (a *Aim) Covers(address, reached string) bool {
	if a == nil {
		return true
	}
	m := a.at.Load()
	return m != nil && (address == m.Address || reached != "" && slices.Contains(m.resolved, reached))
}

// Peer is the chosen peer. It is empty before Take, and for a whole link.
func (a *Aim) Peer() Peer {
	if a == nil {
		return Peer{}
	}
	if m := a.at.Load(); m != nil {
		return m.Peer
	}
	return Peer{}
}
