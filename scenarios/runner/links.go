package runner

import (
	"context"
	"fmt"
	"maps"
	"sync"

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
	stack, ok := link.(faults.Stack)
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
		Upstream: func(ctx context.Context) ([]string, error) { return t.addresses.upstream(ctx, spec) },
	})
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
		p, ok := f.Config.(faults.Preparer)
		if !ok || f.Config.On().Link != link.Name() {
			continue
		}
		if err := p.Prepare(link); err != nil {
			return fmt.Errorf("fault %s: %w", f.Name, err)
		}
	}
	return nil
}
