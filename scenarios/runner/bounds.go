package runner

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"wringer/drivers"
	"wringer/faults"
)

// bounds keep a run from loading or breaking other people's systems. A run may dial this machine and private networks, and
// other hosts only if the user allowed them by name. bounds are safe for concurrent use.
type bounds struct {
	allowed []string
	strict  bool // private networks are not allowed either
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	known  sync.Map // by host: nil if it may be dialled, otherwise an error
	broken atomic.Pointer[beyond]
	// stop is called at the first dial beyond the bounds, if it is set.
	stop atomic.Pointer[context.CancelCauseFunc]
}

// beyond is the error of a dial that was refused.
type beyond struct {
	host    string
	strict  bool
	unknown error // of the lookup: the host has no address; nil: it has
}

func (b beyond) Error() string {
	if b.unknown != nil {
		return fmt.Sprintf("%s does not resolve (%v), so nothing shows that it is on this machine or in a private network: correct the name, or add --allow %s if it may be loaded",
			b.host, b.unknown, b.host)
	}
	if b.strict {
		return fmt.Sprintf("%s is no loopback address: add --allow %s if it may be loaded", b.host, b.host)
	}
	return fmt.Sprintf("%s is neither on this machine nor in a private network: add --allow %s if it may be loaded", b.host, b.host)
}

// Is makes it a drivers.ErrOutside.
func (b beyond) Is(target error) bool { return target == drivers.ErrOutside }

func newBounds(allowed []string, strict bool) *bounds {
	return &bounds{allowed: allowed, strict: strict, resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}}
}

// checked returns dial with the bounds checked first.
func (b *bounds) checked(dial faults.DialFunc) faults.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := b.check(ctx, network, address); err != nil {
			return nil, err
		}
		return dial(ctx, network, address)
	}
}

// check returns an error when an address may not be dialled. A name is looked up once. A name that does not resolve may not be
// dialled either, unless the target named it: its owner is not known.
func (b *bounds) check(ctx context.Context, network, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil || strings.HasPrefix(network, "unix") {
		return nil // the dial reports the error
	}
	if known, ok := b.known.Load(host); ok {
		if known == nil {
			return nil
		}
		return b.forbid(ctx, known.(beyond))
	}
	local, err := b.local(ctx, host)
	switch {
	case err != nil && (ctx.Err() != nil || drivers.IsNamedByTarget(ctx)):
		return nil // the dial reports the error
	case err != nil:
		return b.forbid(ctx, beyond{host: host, unknown: err})
	case local:
		b.known.Store(host, nil)
		return nil
	}
	outside := beyond{host: host, strict: b.strict}
	b.known.Store(host, outside)
	return b.forbid(ctx, outside)
}

// forbid ends the run, unless the target named the host: then only the dial fails.
func (b *bounds) forbid(ctx context.Context, outside beyond) error {
	if drivers.IsNamedByTarget(ctx) {
		return outside
	}
	if b.broken.CompareAndSwap(nil, &outside) {
		if stop := b.stop.Load(); stop != nil {
			(*stop)(outside)
		}
	}
	return outside
}

// local reports whether every address of a host is allowed.
func (b *bounds) local(ctx context.Context, host string) (bool, error) {
	if slices.ContainsFunc(b.allowed, func(a string) bool { return strings.EqualFold(a, host) }) {
		return true, nil
	}
	ip, err := netip.ParseAddr(host)
	if b.strict {
		return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost"), nil
	}
	if err == nil {
		return private(ip), nil
	}
	all, err := b.resolve(ctx, host)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(all, func(ip netip.Addr) bool { return !private(ip) }), nil
}

// private reports whether an address is of this machine or of a private network. The unspecified address is this machine.
func private(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()
}

// err is the first dial beyond the bounds; nil when there was none.
func (b *bounds) err() error {
	if outside := b.broken.Load(); outside != nil {
		return fmt.Errorf("%w: %w", ErrScenario, *outside)
	}
	return nil
}
