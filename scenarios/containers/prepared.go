package containers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"wringer/faults/container"
	"wringer/scenarios"
)

// startLimit bounds the start of a target of containers, images included.
const startLimit = 20 * time.Minute

// prepared is the run's network, before any container is in it.
type prepared struct {
	engine  *container.Engine
	run     string
	network string       // its name
	gateway netip.Addr   // of the network
	local   bool         // the gateway is an address of this machine
	done    func() error // notes in the journal that nothing is left
	closed  bool
	keep    bool            // everything stays up at the end
	config  string          // its hash
	stands  bool            // the target started
	adopted map[string]kept // what an earlier run kept, by part; nil: nothing

	linked  map[string]string // the links' addresses, by name
	aliases []alias
	held    []holder

	byRelay bool // links listen in relays, which take connections in the run's network
	relays  []*relayed
	within  func(ctx context.Context, addresses ...string) error // of the environment
	timed   func(verb, what string, do func() error) error
}

// prepare connects to the engine and makes the run's network, or finds the one that an earlier run of the same configuration
// kept. With an error, nothing is left.
func prepare(ctx context.Context, env scenarios.TargetEnv, config sources) (*prepared, error) {
	begun := time.Now()
	engine, err := container.Search{Slow: func(where string) {
		env.Report(scenarios.StartStep{Verb: "wait for", What: "the container engine at " + where})
	}}.Open(ctx)
	if err != nil {
		return nil, err
	}
	env.Report(scenarios.StartStep{Verb: "connect to", What: engine.Name, Ended: true, Took: time.Since(begun)})
	p := &prepared{
		engine: engine, run: env.Run, network: networkOf(env.Run), keep: env.Keep, within: env.Within, timed: env.Timed,
	}
	if p.config, err = hash(env.Files, config); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	if env.Reuse {
		if err := p.adopt(ctx); err != nil {
			return nil, errors.Join(err, p.unadopt(ctx), engine.Close())
		}
	}
	what := fmt.Sprintf("containers, networks and volumes of run %s", p.run)
	p.done, err = env.Journal.Due(container.UndoKind, what, container.Leftover{Run: p.run, Endpoint: engine.Endpoint})
	if err != nil {
		return nil, errors.Join(err, p.unadopt(ctx), engine.Close())
	}
	if p.adopted == nil {
		err = p.makeNetwork(ctx)
	}
	if err == nil {
		err = p.chooseRelay(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
	}
	return p, nil
}

// networkOf names the network of a run, and begins the names of what the run makes.
func networkOf(run string) string { return "wringer-" + run }

func (p *prepared) makeNetwork(ctx context.Context) (err error) {
	p.gateway, err = p.addNetwork(ctx, p.network)
	p.local = !p.engine.Elsewhere && p.gateway.IsValid() && container.OnThisMachine(p.gateway)
	return err
}

// LinkAddress implements scenarios.Prepared: the network's gateway, and there alone; or a relay in the network. The containers of
// an earlier run know the address that the link had then.
func (p *prepared) LinkAddress(ctx context.Context, link string) (string, error) {
	for _, k := range p.adopted {
		if address := k.links[link]; address != "" {
			return address, nil
		}
	}
	host, err := p.addressFor(ctx, nil)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, "0"), nil
}

// host is the host on which published ports are reached.
func (p *prepared) host() string {
	if p.local {
		return "127.0.0.1"
	}
	return p.engine.Host()
}

// publishOn is the address of the engine's machine on which ports are published; the zero value is every address.
func (p *prepared) publishOn() netip.Addr {
	if p.local || !p.engine.Public() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.Addr{}
}

// CloseWithin implements scenarios.SlowToClose.
func (p *prepared) CloseWithin() time.Duration { return closeWithin }

// Close removes the run's containers, networks and volumes, unless they are kept. It is idempotent.
func (p *prepared) Close(ctx context.Context) error {
	if p.closed {
		return nil
	}
	p.closed = true
	gone := p.closeRelays(ctx, p.keep && p.stands || p.adopted != nil)
	if p.keep && p.stands || p.adopted != nil {
		// The journal's entry stays due: cleanup removes what was kept.
		return errors.Join(gone, p.leave(ctx), p.engine.Close())
	}
	err := p.engine.RemoveRun(ctx, p.run)
	if err == nil && p.done != nil {
		err = p.done()
	}
	return errors.Join(gone, err, p.engine.Close())
}

// view is how addresses of parts are seen from one side.
type view func(owner string, port uint16) string

// inside is how containers reach each other.
func inside(owner string, port uint16) string { return net.JoinHostPort(owner, portText(port)) }

// outside is how this process reaches the parts.
func (p *prepared) outside(ports published) view {
	return func(owner string, port uint16) string {
		return net.JoinHostPort(p.host(), strconv.Itoa(int(ports[owner][port])))
	}
}
