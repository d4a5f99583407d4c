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
	"wringer/scenarios/runner/judge"
)

// route lays the path of a stream's connections: through the link if a fault names the stream, and past the witness behind
// that link. It returns the witness's account, nil without a witness. A witness always stands behind a link. The link gives
// the driver real sockets, so a driver that uses raw system calls still works and cannot bypass the witness.
func (s *step) route(spec *scenarios.Stream, env *drivers.Env, plan *judge.Plan) (*arrivals.Account, error) {
	if !spec.Witness && !s.sc.Linked(spec.Name) {
		return nil, nil
	}
	link, err := s.link(spec.Name, s.sc.Faults)
	if err != nil {
		return nil, err
	}
	env.Linked = true
	if !spec.Witness {
		env.Dial = link.Dial // which counts the dials that fail behind it
		return nil, nil
	}
	through, ok := link.(faults.DialsVia)
	if !ok {
		return nil, fmt.Errorf("a %T has no room for a witness behind it", link)
	}
	account := arrivals.New(arrivals.Config{Stream: spec.Name, Identity: env.Identity, Windows: plan.Names})
	past := witness.New(env.Identity, env.Clock, account).Watch(env.Dial)
	env.Mark = "{{id}}"
	env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		return through.DialVia(ctx, network, address, past)
	}
	return account, nil
}

// bindLocalAddrs makes a stream's connections leave from the local addresses that the stream names.
func (s *step) bindLocalAddrs(spec *scenarios.Stream, env *drivers.Env) error {
	sources := spec.Describe().LocalAddrs
	if len(sources) == 0 {
		return nil
	}
	if spec.Witness || s.sc.Linked(spec.Name) {
		return fmt.Errorf("%w: stream %s: its connections leave from addresses of their own, and a link or a witness makes its own connections; remove one of the two", ErrScenario, spec.Name)
	}
	env.Dial = s.dials.counted(s.bounds.checked(dialFrom(sources)))
	return nil
}

// dialFrom dials without a link and binds each of the local addresses in turn.
func dialFrom(sources []netip.Addr) drivers.DialFunc {
	var next atomic.Uint64
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		source := sources[(next.Add(1)-1)%uint64(len(sources))]
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
		return d.DialContext(ctx, network, address)
	}
}
