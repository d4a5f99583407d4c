package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/scenarios"
)

// addresses are the variables known so far. The links listen before the target starts, because the target gets their addresses.
// A link's upstream is known only once the target runs; until then its connections wait. addresses are safe for concurrent use.
type addresses struct {
	mu      sync.Mutex
	vars    map[string]string
	changed chan struct{} // closed and replaced at each change
}

func newAddresses() *addresses {
	return &addresses{vars: make(map[string]string), changed: make(chan struct{})}
}

// add adds variables.
func (a *addresses) add(prefix string, vars map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, value := range vars {
		a.vars[prefix+name] = value
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

// known returns a copy of all variables.
func (a *addresses) known() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.vars)
}

// upstream waits until the upstream of a link is known. It returns an error when ctx ends first.
func (a *addresses) upstream(ctx context.Context, l *scenarios.Link) ([]string, error) {
	for {
		a.mu.Lock()
		to, err := l.Upstreams(a.vars)
		changed := a.changed
		a.mu.Unlock()
		if err == nil {
			return to, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, err
		}
	}
}

// openLinks makes every link of the scenario listen and adds their addresses to the variables.
func (e *Experiment) openLinks(ctx context.Context) error {
	for i := range e.scenario.Links {
		spec := &e.scenario.Links[i]
		address, err := e.listen(ctx, spec)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrScenario, err)
		}
		e.addresses.add("", map[string]string{spec.Variable(): address})
	}
	return nil
}

func (e *Experiment) listen(ctx context.Context, spec *scenarios.Link) (string, error) {
	link, err := e.link(spec.Name, e.scenario.Faults)
	if err != nil {
		return "", err
	}
	stack, ok := link.(faults.ListeningLink)
	if !ok {
		return "", fmt.Errorf("link %s: a %T cannot listen", spec.Name, link)
	}
	if err := e.overlook(spec, link); err != nil {
		return "", err
	}
	if len(spec.Ports) > 0 {
		return e.alias(ctx, spec, stack)
	}
	address, err := e.listenAddress(ctx, spec)
	if err != nil {
		return "", fmt.Errorf("link %s: %w", spec.Name, err)
	}
	if spec.Protocol != nil {
		if err := spec.Protocol.Prepare(link, address, e.opt.Log); err != nil {
			return "", err
		}
	}
	at, err := stack.Listen(faults.Inlet{Address: address, Upstream: e.leadsTo(spec)})
	if err != nil {
		return "", err
	}
	return at, e.addRelayCost(spec.Name, at)
}

// addRelayCost adds the cost of the way to a link that listens elsewhere.
func (e *Experiment) addRelayCost(link, address string) error {
	relaying, ok := e.prepared.(scenarios.Relaying)
	if !ok {
		return nil
	}
	cost, err := relaying.RelayCost(address)
	if err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	if cost > 0 {
		e.relayCosts[link] = cost
		e.linkCosts[link] += int64(cost)
	}
	return nil
}

// network is where the links listen: also in the target's own network, where this process is not.
func (e *Experiment) network() faults.Network {
	own := e.opt.Network
	relaying, ok := e.prepared.(scenarios.Relaying)
	if !ok {
		return own
	}
	with := own
	with.ListenFunc = func(network, address string) (net.Listener, error) {
		l, ok, err := relaying.Listen(address)
		if ok || err != nil {
			return l, err
		}
		return own.Listen(network, address)
	}
	return with
}

// alias makes the link listen in the callee's place, and returns the first of its addresses.
func (e *Experiment) alias(ctx context.Context, spec *scenarios.Link, link faults.ListeningLink) (first string, err error) {
	aliased, ok := e.prepared.(scenarios.Aliased)
	if !ok {
		return "", fmt.Errorf("link %s: ports go with a target of containers", spec.Name)
	}
	caller, callee := spec.Ends()
	host, err := aliased.Alias(ctx, caller, callee, spec.Ports)
	if err != nil {
		return "", fmt.Errorf("link %s: %w", spec.Name, err)
	}
	for _, port := range spec.Ports {
		at, err := link.Listen(faults.Inlet{
			Address:  net.JoinHostPort(host, strconv.Itoa(int(port))),
			Upstream: e.leadsTo(spec.Behind(port)),
		})
		if err != nil {
			return "", err
		}
		first = cmp.Or(first, at)
	}
	return first, e.addRelayCost(spec.Name, first)
}

// listenAddress is where a link listens: where the scenario says, else where the target's parts reach it.
func (e *Experiment) listenAddress(ctx context.Context, spec *scenarios.Link) (string, error) {
	if e.prepared == nil || spec.Listens() {
		return spec.ListenAddress(), nil
	}
	address, err := e.prepared.LinkAddress(ctx, spec.Name)
	return cmp.Or(address, spec.ListenAddress()), err
}

// leadsTo returns a function that waits until the upstream of a link is known.
func (e *Experiment) leadsTo(spec *scenarios.Link) func(ctx context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) { return e.addresses.upstream(ctx, spec) }
}

// wholeLink is link for faults. A fault of a kind that cannot break one branch of a link gets the link as a whole.
func (s *step) wholeLink(name string) (faults.Link, error) {
	if link, branch := faults.CutBranch(name); branch != "" {
		return nil, fmt.Errorf("link %s: a fault of this kind breaks it as a whole, without /%s", link, branch)
	}
	return s.link(name, s.sc.Faults)
}

// peers returns the peers behind a link. A stream's driver knows the peers that it dials; a link's protocol knows the peers
// that the link leads to.
func (s *step) peers(link string) (faults.Peers, error) {
	if i := s.streamIndex(link); i >= 0 {
		if p, ok := s.streams[i].driver.(faults.Peers); ok {
			return p, nil
		}
		if g := s.streams[i].group(); g != nil {
			if p, ok := g.Group.(faults.Peers); ok {
				return p, nil
			}
		}
	}
	for i := range s.sc.Links {
		spec := &s.sc.Links[i]
		p, ok := spec.Protocol.(faults.PeeredProtocol)
		if !ok || spec.Name != link {
			continue
		}
		opened, err := s.link(link, s.sc.Faults)
		if err != nil {
			return nil, err
		}
		return p.Peers(opened, s.leadsTo(spec), s.bounds.checked(s.direct))
	}
	return nil, fmt.Errorf("link %s: has no peers that could be told apart; break it as a whole", link)
}

// peersLimit bounds the request for the peers behind a link.
const peersLimit = 5 * time.Second

// aim checks, before anything is sent, that a fault's branch names a peer. If the peers cannot be asked yet, they are asked when
// the fault is injected; the record tells if that fails.
func (s *step) aim(ctx context.Context, link string) error {
	name, branch := faults.CutBranch(link)
	if branch == "" {
		return nil
	}
	peers, err := s.peers(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, peersLimit)
	defer cancel()
	_, err = faults.FindPeer(ctx, peers, branch)
	if errors.Is(err, faults.ErrNoPeer) || errors.Is(err, drivers.ErrNoPeer) {
		return fmt.Errorf("link %s: %w", name, err)
	}
	if err != nil {
		s.opt.Log.Warn("which peer a fault will break is not known yet", "link", link, "why", err)
	}
	return nil
}

// reachable returns an error when the upstream of a link is still unknown after the target started.
func (e *Experiment) reachable() error {
	vars := e.addresses.known()
	for i := range e.scenario.Links {
		if spec := &e.scenario.Links[i]; len(spec.Ports) > 0 {
			continue // the target has checked them
		}
		if _, err := e.scenario.Links[i].Upstreams(vars); err != nil {
			return fmt.Errorf("%w: %w", ErrScenario, err)
		}
	}
	return nil
}

// prepareLink prepares the link for the planned faults that will break it. It must be called before the link's first
// connection; later calls with the same faults do nothing.
func prepareLink(link faults.Link, planned []scenarios.Fault) error {
	for i := range planned {
		f := &planned[i]
		p, ok := f.Config.(faults.NeedsLayer)
		if on, _ := faults.CutBranch(f.Config.On().Link); !ok || on != link.Name() {
			continue
		}
		if err := p.Prepare(link); err != nil {
			return fmt.Errorf("fault %s: %w", f.Name, err)
		}
	}
	return nil
}
