package runner

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"wringer/drivers"
	"wringer/drivers/witness"
	"wringer/faults"
	"wringer/reports/arrivals"
	"wringer/scenarios"
)

// route lays the path of a stream's connections: through the link if a fault names it, and behind it past the witness if
// there is one, whose account it returns. A witness always stands behind a link: a driver that looks at its sockets, or
// reads and writes them by system calls of its own, then has real ones, and nothing goes past the witness.
func (t *trial) route(spec *scenarios.Stream, env *drivers.Env) (*arrivals.Account, error) {
	if !spec.Witness && !linked(t.sc, spec.Name) {
		return nil, nil
	}
	link, err := t.link(spec.Name)
	if err != nil {
		return nil, err
	}
	if !spec.Witness {
		env.Dial = t.dials.over(link.Dial)
		return nil, nil
	}
	through, ok := link.(faults.DialsVia)
	if !ok {
		return nil, fmt.Errorf("a %T has no room for a witness behind it", link)
	}
	account := arrivals.New(arrivals.Config{Stream: spec.Name, Identity: env.Identity, Windows: t.plan.names})
	past := witness.New(env.Identity, env.Clock, account).Watch(env.Dial)
	env.Mark = "{{id}}"
	env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		return through.DialVia(ctx, network, address, past)
	}
	return account, nil
}

// leave lets a stream's connections leave from the addresses that it names.
func (t *trial) leave(spec *scenarios.Stream, env *drivers.Env) error {
	sources := spec.Describe().LocalAddrs
	if len(sources) == 0 {
		return nil
	}
	if spec.Witness || linked(t.sc, spec.Name) {
		return fmt.Errorf("%w: stream %s: its connections leave from addresses of their own, and a link or a witness makes its own connections; remove one of the two", ErrScenario, spec.Name)
	}
	env.Dial = t.dials.over(t.bounds.over(from(sources)))
	return nil
}

// from dials without a link, from each of the addresses in turn.
func from(sources []netip.Addr) drivers.DialFunc {
	var next atomic.Uint64
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		source := sources[(next.Add(1)-1)%uint64(len(sources))]
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
		return d.DialContext(ctx, network, address)
	}
}

// follow lets those follow the stream's operations who judge them.
func (s *stream) follow(account *arrivals.Account, windows []string) {
	if s.effects != nil && s.effects.ledger != nil {
		s.followers = append(s.followers, s.effects.ledger)
	}
	if s.effects != nil && s.effects.times != nil {
		s.followers = append(s.followers, s.effects.times)
	}
	if account != nil {
		s.witness = account
		s.followers = append(s.followers, account)
	}
	if replayer, ok := s.driver.(drivers.Replayer); ok && s.env.Replay != nil {
		s.replays = newReplays(s, replayer, windows)
		s.followers = append(s.followers, s.replays)
	}
}
