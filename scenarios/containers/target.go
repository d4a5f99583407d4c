package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/scenarios"
	"wringer/scenarios/ready"
)

// target is the running containers.
type target struct {
	*prepared
	env   scenarios.TargetEnv
	ports published
	vars  map[string]string

	mu       sync.Mutex
	parts    map[string]*container.Container
	mayEnd   map[string]bool
	up       map[string]*progress
	started  []string
	names    map[string][]string // by which each part alone is reached
	joined   map[string]bool     // parts that share the network of another
	restarts map[string]int      // by restart policies before this run, of parts that an earlier run kept
	outputs  []io.Closer

	heard heard

	stop    context.CancelFunc // of the events
	watched sync.WaitGroup
}

// Prepare implements scenarios.Hosting.
func (c *Config) Prepare(ctx context.Context, env scenarios.TargetEnv) (scenarios.Prepared, error) {
	p, err := prepare(ctx, env, c)
	if err != nil {
		return nil, err
	}
	return &preparedConfig{p, c}, nil
}

// preparedConfig is a configuration whose network stands.
type preparedConfig struct {
	*prepared
	config *Config
}

// Start implements scenarios.Prepared.
func (p *preparedConfig) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	return p.withFreePorts(env, func() (*target, error) { return p.begin(ctx, env) })
}

func (p *preparedConfig) begin(ctx context.Context, env scenarios.TargetEnv) (*target, error) {
	services := p.config.services()
	ports, err := p.publish(services)
	if err != nil {
		return nil, err
	}
	outside := p.outside(ports)
	vars := p.config.vars(outside)
	env.Tell(vars)
	// The containers see each other from inside, and the links where they listen.
	seen := p.config.vars(inside)
	maps.Copy(seen, env.Vars)
	for _, n := range p.config.names() {
		e := (*p.config)[n]
		for i := range services {
			if s := &services[i]; slices.Contains(e.parts(n), s.Name) {
				if err := e.fill(s, env.Files, seen, outside); err != nil {
					return nil, fmt.Errorf("container %s: %w", s.Name, err)
				}
				e.settle(n, s, env.Files, outside)
				s.Hosts = append(s.Hosts, p.hosts(n)...)
			}
		}
	}
	return start(ctx, p.prepared, services, ports, vars, env)
}

// start brings the services up, each as soon as those that it needs are ready. With an error, the caller closes p.
func start(ctx context.Context, p *prepared, services []Service, ports published, vars map[string]string, env scenarios.TargetEnv) (*target, error) {
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	t := &target{
		prepared: p, env: env, ports: ports, vars: vars, stop: stop,
		parts: make(map[string]*container.Container), mayEnd: make(map[string]bool),
	}
	t.names, t.joined, t.restarts = ownNames(services), make(map[string]bool), make(map[string]int)
	for i := range services {
		t.joined[services[i].Name] = services[i].Join != ""
	}
	p.linked = linked(env.Vars)
	t.watch(watching)
	var err error
	if p.adopted == nil {
		err = p.images(ctx, services, env)
	}
	if err == nil {
		err = t.bringUp(ctx, services)
	}
	if err != nil {
		return nil, errors.Join(err, t.closeParts(context.WithoutCancel(ctx)))
	}
	p.stands = true
	return t, nil
}

// linked are the addresses of the links among variables, by the link's name.
func linked(vars map[string]string) map[string]string {
	out := make(map[string]string)
	for name, address := range vars {
		if link, ok := strings.CutPrefix(name, "links."); ok {
			out[link] = address
		}
	}
	return out
}

// bringUp creates the services side by side, and starts each as soon as those that it needs are ready. The first error ends the others.
func (t *target) bringUp(ctx context.Context, services []Service) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	up := make(map[string]*progress, len(services))
	for i := range services {
		up[services[i].Name] = &progress{made: make(chan struct{}), started: make(chan struct{}), ready: make(chan struct{})}
	}
	t.mu.Lock()
	t.up = up
	t.mu.Unlock()
	var all sync.WaitGroup
	for i := range services {
		s := &services[i]
		all.Go(func() {
			if err := t.startOne(ctx, s, up); err != nil {
				fail(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// progress tells those that need a service how far it is.
type progress struct {
	made, started, ready chan struct{}
	once                 sync.Once
}

// begin says that the container runs. It is idempotent, and safe for concurrent use.
func (p *progress) begin() { p.once.Do(func() { close(p.started) }) }

func (t *target) startOne(ctx context.Context, s *Service, up map[string]*progress) error {
	if s.Join != "" && !came(ctx, up[s.Join].made) {
		return nil // the first error counts
	}
	part, err := t.make(ctx, s)
	if err != nil {
		return err
	}
	close(up[s.Name].made)
	for _, need := range s.Needs {
		event := up[need.Name].ready // one that ends is ready when it has ended
		if need.Started {
			event = up[need.Name].started
		}
		if !came(ctx, event) {
			return nil
		}
	}
	// The engine's event tells the start of the container, long before it is ready.
	if err := t.env.Timed("start", s.Name, func() error { return part.Start(ctx) }); err != nil {
		return err
	}
	up[s.Name].begin()
	close(up[s.Name].ready)
	return nil
}

// came waits for an event; false: ctx ended first.
func came(ctx context.Context, event <-chan struct{}) bool {
	select {
	case <-event:
		return true
	case <-ctx.Done():
		return false
	}
}

// make creates the container and its part.
func (t *target) make(ctx context.Context, s *Service) (*container.Container, error) {
	if err := t.env.Within(ctx, s.Ready.Addresses()...); err != nil {
		return nil, fmt.Errorf("container %s: ready: %w", s.Name, err)
	}
	spec := container.Spec{
		Engine: t.engine, Name: s.Name, Within: s.Within, Grace: s.Grace, Refused: t.env.Refused, Once: s.Once,
		Ports: make(map[string]string), Names: t.names[s.Name], Callers: func() []*container.Container { return t.others(s) },
	}
	for own, port := range t.ports[s.Name] {
		spec.Ports[portText(port)] = s.bound(own).Port()
	}
	if t.env.Output != nil {
		out, err := t.env.Output(s.Name)
		if err != nil {
			return nil, fmt.Errorf("container %s: keep its output: %w", s.Name, err)
		}
		t.mu.Lock()
		t.outputs = append(t.outputs, out)
		t.mu.Unlock()
		spec.Output = out
	}
	part, err := t.takeOrCreate(ctx, s, spec)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.parts[s.Name], t.mayEnd[s.Name] = part, s.MayEnd || s.Once
	t.started = append(t.started, s.Name)
	t.vars[s.Name+".id"] = part.ID()
	return part, nil
}

func (t *target) takeOrCreate(ctx context.Context, s *Service, spec container.Spec) (*container.Container, error) {
	if t.adopted != nil {
		return t.take(ctx, s, spec)
	}
	id, health, err := t.create(ctx, s, t.ports[s.Name], t.idOf(s.Join))
	if err != nil {
		return nil, fmt.Errorf("create container %s: %w", s.Name, err)
	}
	spec.ID = id
	if err := t.probe(s, &spec, health); err != nil {
		return nil, fmt.Errorf("container %s: %w", s.Name, err)
	}
	return container.New(spec), nil
}

// idOf is the engine's identity of a service that has started; empty for an empty name.
func (t *target) idOf(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if part := t.parts[name]; part != nil {
		return part.ID()
	}
	return ""
}

// probe chooses how to see that the container works.
func (t *target) probe(s *Service, spec *container.Spec, health bool) error {
	if s.Once {
		return nil
	}
	if s.Health || s.Ready == nil && health {
		spec.Ready = func(ctx context.Context) error { return t.engine.Healthy(ctx, spec.ID) }
		return nil
	}
	first := ""
	if len(s.Ports) > 0 {
		first = t.outside(t.ports)(s.Name, s.Ports[0])
	}
	probe, err := s.Ready.Probe(first)
	if err != nil || probe == nil {
		return err
	}
	spec.Ready, spec.Begin = probe.Ready, probe.Begin
	if port, ok := t.portOfReady(s); ok {
		// The engine's own proxy takes connections before the container does: it must also keep them.
		through := ready.Open(t.outside(t.ports)(s.Name, port))
		spec.Ready = func(ctx context.Context) error {
			if err := t.listens(ctx, spec.ID, s.bound(port).Port()); err != nil {
				return err
			}
			return through.Ready(ctx)
		}
	}
	spec.Output = probe.Output(spec.Output)
	return nil
}

// Vars implements scenarios.Target.
func (t *target) Vars() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.vars)
}

// Parts implements scenarios.Target.
func (t *target) Parts() map[string]faults.Part {
	t.mu.Lock()
	defer t.mu.Unlock()
	parts := make(map[string]faults.Part, len(t.parts))
	for n, p := range t.parts {
		parts[n] = p
	}
	return parts
}

// ControlGroups implements scenarios.Grouped: engines name a container's control group after its ID.
func (t *target) ControlGroups() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []string
	for _, n := range t.started {
		ids = append(ids, t.parts[n].ID())
		if side := t.parts[n].Sidecar(); side != "" {
			ids = append(ids, side)
		}
	}
	for _, r := range t.relays { // what a run's relays use is the run's too
		ids = append(ids, r.part.ID())
	}
	return ids
}

// Events implements scenarios.Witness: it reports containers that ended by themselves.
func (t *target) Events() []string {
	var all []string
	for _, d := range t.deaths(false) {
		all = append(all, d.Text)
	}
	return all
}

// Deaths implements scenarios.Mortal: a container that may end is left out.
func (t *target) Deaths() []scenarios.Death { return t.deaths(true) }

func (t *target) deaths(unwanted bool) []scenarios.Death {
	var all []scenarios.Death
	if err := t.hearRest(); err != nil {
		all = append(all, scenarios.Death{Text: err.Error(), At: time.Now()})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.started {
		for _, d := range t.parts[n].Deaths() {
			if !unwanted || !t.mayEnd[n] {
				all = append(all, scenarios.Death{Part: n, Text: d.Text, At: d.At, WentOn: d.WentOn})
			}
		}
	}
	return all
}

// Gauges implements scenarios.Measured.
func (t *target) Gauges(emit func(part, gauge string, at time.Time, value float64)) {
	t.mu.Lock()
	parts := maps.Clone(t.parts)
	t.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		for _, r := range parts[n].Readings() {
			for gauge, value := range r.Gauges {
				emit(n, gauge, r.At, value)
			}
		}
	}
}

// closeWithin bounds the removal of what a run made: Podman takes seconds for a container, and an engine that is busy too.
const closeWithin = time.Minute

// CloseWithin implements scenarios.SlowToClose.
func (t *target) CloseWithin() time.Duration { return closeWithin }

// Close implements scenarios.Target. Containers are removed side by side, then the network and the volumes.
func (t *target) Close(ctx context.Context) error {
	return errors.Join(t.closeParts(ctx), t.prepared.Close(ctx))
}

// closeParts removes the containers, or lets go of those that are kept.
func (t *target) closeParts(ctx context.Context) error {
	t.mu.Lock()
	parts, outputs := slices.Collect(maps.Values(t.parts)), t.outputs
	t.outputs = nil
	t.mu.Unlock()
	failed := make([]error, len(parts))
	var all sync.WaitGroup
	for i, p := range parts {
		all.Go(func() {
			if t.adopted != nil || t.keep && t.stands {
				failed[i] = p.Detach(ctx)
			} else {
				failed[i] = p.Close(ctx)
			}
		})
	}
	all.Wait()
	t.stop()
	t.watched.Wait()
	for _, out := range outputs {
		failed = append(failed, out.Close())
	}
	return errors.Join(failed...)
}
