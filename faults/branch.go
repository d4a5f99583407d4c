package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Branch is a part of a link behind which are several peers: one of them by its name, broker-2, or whoever leads a partition
// of a topic, leader(orders,0). It stands behind the link's name and a slash.
type Branch struct {
	peer      string // empty: the leader
	topic     string
	partition int32
}

// CutBranch cuts LINK/BRANCH; branch is empty where the link is meant as a whole.
func CutBranch(link string) (name, branch string) {
	name, branch, _ = strings.Cut(link, "/")
	return name, branch
}

const peerPrefix = "broker-"

// PeerName is the name of a broker: broker-2.
func PeerName(id int32) string { return peerPrefix + strconv.Itoa(int(id)) }

// ParseBranch reads a branch.
func ParseBranch(text string) (Branch, error) {
	wrong := fmt.Errorf("%q is no broker: write broker-2 by its id, or leader(TOPIC,PARTITION) for the one that leads when the fault is injected", text)
	if id, ok := strings.CutPrefix(text, peerPrefix); ok {
		n, err := strconv.ParseUint(id, 10, 31)
		if err != nil || PeerName(int32(n)) != text {
			return Branch{}, wrong
		}
		return Branch{peer: text}, nil
	}
	inner, ok := strings.CutPrefix(text, "leader(")
	inner, closed := strings.CutSuffix(inner, ")")
	topic, partition, both := strings.Cut(inner, ",")
	n, err := strconv.ParseUint(strings.TrimSpace(partition), 10, 31)
	if topic = strings.TrimSpace(topic); !ok || !closed || !both || err != nil || topic == "" {
		return Branch{}, wrong
	}
	return Branch{topic: topic, partition: int32(n)}, nil
}

// Peers tells who is behind a link now. Each call asks them anew, on a way that no fault breaks. Safe for concurrent use.
type Peers interface {
	// Peers returns the addresses, host:port, at which clients dial them, by name (PeerName).
	Peers(ctx context.Context) (map[string]string, error)
	// Leader returns the name of the one that leads a partition, empty when there is no such partition or topic.
	Leader(ctx context.Context, topic string, partition int32) (string, error)
}

// PeeredProtocol is a Protocol behind whose link are several peers.
type PeeredProtocol interface {
	Protocol
	// Peers returns who they are, who are asked over connections made by dial. upstream tells the addresses behind the
	// link, as in Inlet.
	Peers(link Link, upstream func(ctx context.Context) ([]string, error), dial DialFunc) (Peers, error)
}

// ErrNoPeer says that a branch names nobody who is there.
var ErrNoPeer = errors.New("no such broker")

// Peer is one of those behind a link.
type Peer struct{ Name, Address string }

// Find asks who it is that the branch means now.
func (b Branch) Find(ctx context.Context, peers Peers) (Peer, error) {
	name := b.peer
	if name == "" {
		var err error
		if name, err = peers.Leader(ctx, b.topic, b.partition); err != nil {
			return Peer{}, err
		}
		if name == "" {
			return Peer{}, fmt.Errorf("%w: there is no partition %d of topic %s", ErrNoPeer, b.partition, b.topic)
		}
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
	link   string
	branch Branch
	peers  Peers
	at     atomic.Pointer[mark]
}

// mark is the peer that was aimed at, with the addresses that its name stands for.
type mark struct {
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
	a := &Aim{link: link}
	if a.branch, err = ParseBranch(branch); err != nil {
		return nil, nil, fmt.Errorf("link %s: %w", name, err)
	}
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
	peer, err := a.branch.Find(ctx, a.peers)
	if err != nil {
		return fmt.Errorf("link %s: %w", a.link, err)
	}
	m := &mark{Peer: peer}
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
