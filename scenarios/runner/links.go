package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/scenarios"
)

// addresses are the variables that are known so far. The links listen before the target starts, because it is pointed at
// them, and where they lead is known only once it runs: what connects meanwhile waits.
type addresses struct {
	mu      sync.Mutex
	vars    map[string]string
	changed chan struct{} // closed and replaced at each change
}

func newAddresses() *addresses {
	return &addresses{vars: make(map[string]string), changed: make(chan struct{})}
}

// tell adds variables. It is safe for concurrent use.
func (a *addresses) tell(prefix string, vars map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, value := range vars {
		a.vars[prefix+name] = value
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

// known returns a copy of all.
func (a *addresses) known() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.vars)
}

// upstream waits until it is known where a link leads.
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

// openLinks lets every link of the scenario listen, and tells their addresses.
func (t *trial) openLinks() error {
	for i := range t.sc.Links {
		spec := &t.sc.Links[i]
		address, err := t.listen(spec)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrScenario, err)
		}
		t.addresses.tell("", map[string]string{spec.Variable(): address})
	}
	return nil
}

func (t *trial) listen(spec *scenarios.Link) (string, error) {
	link, err := t.link(spec.Name)
	if err != nil {
		return "", err
	}
	stack, ok := link.(faults.ListeningLink)
	if !ok {
		return "", fmt.Errorf("link %s: a %T cannot listen", spec.Name, link)
	}
	if spec.Protocol != nil {
		if err := spec.Protocol.Prepare(link, t.opt.Log); err != nil {
			return "", err
		}
	}
	return stack.Listen(faults.Inlet{
		Address:  spec.ListenAddress(),
		Upstream: t.leadsTo(spec),
	})
}

// leadsTo tells where a link leads.
func (t *trial) leadsTo(spec *scenarios.Link) func(ctx context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) { return t.addresses.upstream(ctx, spec) }
}

// peers tells who is behind a link: a stream's driver knows the peers that it dials, and a link's protocol those that it
// leads to.
func (t *trial) peers(link string) (faults.Peers, error) {
	if i := t.streamIndex(link); i >= 0 {
		if p, ok := t.streams[i].driver.(faults.Peers); ok {
			return p, nil
		}
		if o := t.streams[i].effects; o != nil && o.group != nil {
			if p, ok := o.group.group.(faults.Peers); ok {
				return p, nil
			}
		}
	}
	for i := range t.sc.Links {
		spec := &t.sc.Links[i]
		p, ok := spec.Protocol.(faults.PeeredProtocol)
		if !ok || spec.Name != link {
			continue
		}
		opened, err := t.link(link)
		if err != nil {
			return nil, err
		}
		return p.Peers(opened, t.leadsTo(spec), t.bounds.over(direct))
	}
	return nil, fmt.Errorf("link %s: has no peers that could be told apart; break it as a whole", link)
}

// peersLimit bounds the question who is behind a link.
const peersLimit = 5 * time.Second

// aim makes sure that a branch names somebody before anything is sent. Who cannot be asked yet is asked when the fault is
// injected, and that it then fails is told.
func (t *trial) aim(ctx context.Context, link string) error {
	name, branch := faults.CutBranch(link)
	if branch == "" {
		return nil
	}
	peers, err := t.peers(name)
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
		t.opt.Log.Warn("which peer a fault will break is not known yet", "link", link, "why", err)
	}
	return nil
}

// reachable says whether each link's upstream is known, once the target runs.
func (t *trial) reachable() error {
	vars := t.addresses.known()
	for i := range t.sc.Links {
		if _, err := t.sc.Links[i].Upstreams(vars); err != nil {
			return fmt.Errorf("%w: %w", ErrScenario, err)
		}
	}
	return nil
}

// prepareLink lays the protocols of the faults that are to break the link, before its first connection.
func (t *trial) prepareLink(link faults.Link) error {
	for i := range t.sc.Faults {
		f := &t.sc.Faults[i]
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
