package runner

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner/host"
	"wringer/scenarios/runner/record"
	"wringer/scenarios/runner/traffic"
)

// Options of a run.
type Options struct {
	// Dir is the folder of the experiment: the output of its target, and the record of a run of one step. It must not exist,
	// or be empty.
	Dir string
	// Network is where the run and its target listen and dial; the zero value is the system's.
	Network faults.Network
	// Mesh opens the links' mesh, which listens on network and reaches the targets by dial. It is called once, when the first
	// link is opened.
	Mesh func(network faults.Network, dial faults.DialFunc) (faults.Mesh, error)
	// Watch takes the run's partial record about once a second and at every change of a fault, and once more after the drain. The
	// record's sums are those of the whole run so far, and so are the verdicts of its gates: later operations may change them. Its
	// seconds and gauges are those since the last call alone, each once.
	// Watch is called from one goroutine, in each step anew. It may block: the next call then comes later and holds more seconds.
	// It may keep the record and must not change it. Nil: nobody watches.
	Watch func(run *reports.Run, progress Progress)
	// Allow names hosts that may be dialled although they are neither on this machine nor in a private network.
	Allow []string
	// LoopbackOnly keeps private networks out too: only this machine's loopback addresses and Allow may be dialled. Names other than
	// localhost and those of Allow are not even looked up.
	LoopbackOnly bool
	// Keep leaves the target up at the end, and Reuse takes over one that an earlier run kept, where the target can.
	Keep, Reuse bool
	// Starting takes what the start of the target is busy with, from several goroutines. Nil: nobody watches.
	Starting func(scenarios.StartStep)
	// Results takes every finished operation of the measured part. It is finished with the step: it is for Run alone. Nil: none.
	Results traffic.Results
	// Trace is what the requests of streams carry of traces where the scenario says nothing. The zero value is nothing.
	Trace drivers.Trace
	// Machine reads what other programs do to the machine; nil: it is not read, and excuses nothing.
	Machine *host.Reader
	// ID returns the run's part of every identity, anew at each call; nil: at random. Equal ones make equal runs in virtual time.
	ID      func() string
	Version string
	Log     *slog.Logger
}

// ErrScenario marks an error that the scenario caused. Nothing was sent and no record was left.
var ErrScenario = errors.New("scenario error")

// scenarioError is a driver's error that the scenario caused. Its text already says so.
type scenarioError struct{ error }

func (e scenarioError) Is(target error) bool { return target == ErrScenario }
func (e scenarioError) Unwrap() error        { return e.error }

// Run runs the scenario once and returns its record, which is also saved in opt.Dir. It is Open, one Play and Close.
//
// An error means that there is no record. The error wraps ErrScenario if the scenario is the cause; otherwise the harness
// failed. When ctx ends, the run stops and heals every fault, and the record holds the measurements until then.
func Run(ctx context.Context, sc *scenarios.Scenario, opt Options) (*reports.Run, error) {
	e, err := newExperiment(sc, opt)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := e.start(ctx); err != nil {
		s, stepErr := e.newStep(Step{})
		if stepErr != nil {
			return nil, errors.Join(err, stepErr)
		}
		return s.unopened(ctx, err)
	}
	return e.Play(ctx, Step{})
}

// Experiment is a running scenario: the target and the links that all its steps share. Its methods are not safe for concurrent
// use.
type Experiment struct {
	scenario *scenarios.Scenario // as it was written; each step resolves its own copy
	opt      Options
	mark     string // marks the target's processes, and the operations of the first step
	root     *record.Folder
	// journal records how to undo the run's effects outside this process if it dies.
	journal *faults.Journal
	dials   dials
	reached reached
	bounds  *bounds

	addresses *addresses
	witnesses []*linkWitness
	listeners map[string]drivers.Listener // of the places that the target calls, by name
	prepared  scenarios.Prepared          // nil unless the target has a network of its own
	target    scenarios.Target
	mesh      faults.Mesh
	linkCosts map[string]int64 // by link, in nanoseconds, where the link measured its cost
	// relayCosts are the parts of linkCosts that links cost which listen in the target's network.
	relayCosts map[string]time.Duration
	startup    startup
	outputs    outputs
	steps      int  // begun so far
	rootUsed   bool // root holds the record of a step
	closers    closers
}

// Open starts the scenario's target and opens its links. The caller plays steps and then calls Close. ctx bounds Open alone. An
// error wraps ErrScenario if the scenario is the cause; then nothing is left running, and no folder.
func Open(ctx context.Context, sc *scenarios.Scenario, opt Options) (*Experiment, error) {
	e, err := newExperiment(sc, opt)
	if err != nil {
		return nil, err
	}
	if err := e.start(ctx); err != nil {
		if outside := e.bounds.err(); outside != nil {
			err = outside
		}
		e.root.Discard()
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func newExperiment(sc *scenarios.Scenario, opt Options) (*Experiment, error) {
	e := &Experiment{
		scenario: sc, opt: opt, mark: opt.newID(), addresses: newAddresses(),
		reached: reached{own: ownAddresses()}, bounds: newBounds(opt.Allow, opt.LoopbackOnly), linkCosts: make(map[string]int64), relayCosts: make(map[string]time.Duration),
	}
	if e.opt.Log == nil {
		e.opt.Log = slog.New(slog.DiscardHandler)
	}
	e.closers.log = e.opt.Log
	e.startup.show = e.opt.Starting
	root, err := record.Create(opt.Dir, sc.Source, sc.Redact)
	if err != nil {
		return nil, err
	}
	e.root = root
	e.journal = faults.NewJournal(filepath.Join(opt.Dir, faults.JournalFile), sc.Redact)
	e.closers.add(e.journal.Close)
	e.closers.add(root.CloseOutputs)
	return e, nil
}

// Close ends the target and closes the links. Each has a bounded time. An error says that something is left behind; the log
// names it. Close is idempotent.
func (e *Experiment) Close() error { return e.closers.close() }

// newID makes the run's part of every identity: 8 characters, 40 random bits.
func (o *Options) newID() string {
	if o.ID != nil {
		return o.ID()
	}
	var raw [5]byte
	rand.Read(raw[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))
}

// startLimit bounds the start of the target, and the opening of a step's drivers.
const startLimit = 60 * time.Second

// start opens the links and starts the target, which gets the links' addresses.
func (e *Experiment) start(ctx context.Context) error {
	limit := startLimit
	if p, ok := e.scenario.Target.(scenarios.Patient); ok {
		limit = p.StartLimit()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := e.prepareTarget(ctx); err != nil {
		return err
	}
	if err := e.openLinks(ctx); err != nil {
		return err
	}
	if err := e.openListeners(ctx); err != nil {
		return err
	}
	if err := e.startTarget(ctx); err != nil {
		return err
	}
	return e.reachable()
}

// prepareTarget makes the network of a target that has its own: the links will listen there.
func (e *Experiment) prepareTarget(ctx context.Context) error {
	hosting, ok := e.scenario.Target.(scenarios.Hosting)
	if !ok {
		return nil
	}
	prepared, err := hosting.Prepare(ctx, e.targetEnv())
	if err != nil {
		return fmt.Errorf("prepare target %s: %w", e.scenario.TargetName, err)
	}
	e.prepared = prepared
	e.closers.limited(prepared)
	return nil
}

// targetEnv is what the target gets. The names of its variables begin with the target's key, unless it is Unprefixed.
func (e *Experiment) targetEnv() scenarios.TargetEnv {
	prefix := scenarios.VariablePrefix(e.scenario.TargetName, e.scenario.Target)
	return scenarios.TargetEnv{
		Seed: uint64(e.scenario.Seed), Log: e.opt.Log, Name: e.scenario.TargetName, Run: e.mark, Files: filepath.Dir(e.scenario.Path),
		Vars: e.addresses.known(), Known: func(vars map[string]string) { e.addresses.add(prefix, vars) },
		Output: e.outputs.opener(e.root.Output), Journal: e.journal, Refused: e.dials.refused, Bounds: e.bounds.check, Network: e.opt.Network,
		Keep: e.opt.Keep || e.opt.Reuse, Reuse: e.opt.Reuse, Doing: e.startup.take,
	}
}

// startTarget starts the target, if there is one.
func (e *Experiment) startTarget(ctx context.Context) error {
	config, err := e.scenario.ResolveTarget(e.addresses.known())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScenario, err)
	}
	if config == nil {
		return nil
	}
	start, env := config.Start, e.targetEnv()
	if e.prepared != nil {
		start = e.prepared.Start
	}
	target, err := start(ctx, env)
	if err != nil {
		return fmt.Errorf("start target %s: %w", e.scenario.TargetName, err)
	}
	e.target = target
	e.closers.limited(target)
	env.Tell(target.Vars())
	return nil
}

// direct dials without a link.
func (e *Experiment) direct(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := e.opt.Network.Dial(ctx, network, address)
	if err == nil {
		e.reached.add(conn)
	}
	return conn, err
}

// link returns a link of the mesh, ready for the planned faults. The mesh is opened at the first call.
func (e *Experiment) link(name string, planned []scenarios.Fault) (faults.Link, error) {
	if e.mesh == nil {
		mesh, err := e.opt.Mesh(e.network(), e.dials.counted(e.bounds.checked(e.direct)))
		if err != nil {
			return nil, err
		}
		e.mesh = mesh
		e.closers.limited(mesh)
	}
	link, err := e.mesh.Link(name)
	if err != nil {
		return nil, err
	}
	if c, ok := link.(faults.Calibrated); ok {
		e.linkCosts[name] = int64(c.Cost() + e.relayCosts[name])
	}
	return link, prepareLink(link, planned)
}
