package processes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"

	"wringer/faults"
	"wringer/faults/process"
	"wringer/scenarios"
)

// target is the running programs.
type target struct {
	env     scenarios.TargetEnv
	vars    map[string]string
	parts   map[string]*process.Process
	started []string
	mayEnd  map[string]bool
	outputs []io.Closer
}

// start starts the programs one after another. With an error, no program is left running.
func start(ctx context.Context, c Config, env scenarios.TargetEnv) (*target, error) {
	t := &target{env: env, vars: make(map[string]string), parts: make(map[string]*process.Process), mayEnd: make(map[string]bool)}
	if err := t.reserve(c); err != nil {
		return nil, err
	}
	order, _ := c.order()
	for _, n := range order {
		if err := t.start(ctx, n, c[n]); err != nil {
			return nil, errors.Join(err, t.Close(context.WithoutCancel(ctx)))
		}
	}
	return t, nil
}

// reserve assigns a number to every named port.
func (t *target) reserve(c Config) error {
	var names []string
	for _, n := range c.names() {
		for _, port := range c[n].Ports {
			names = append(names, n+"."+port)
		}
	}
	if len(names) == 0 {
		return nil
	}
	base, err := process.Ports(len(names))
	if err != nil {
		return err
	}
	for i, n := range names {
		port := strconv.Itoa(base + i)
		t.vars[n], t.vars[n+".port"] = net.JoinHostPort("127.0.0.1", port), port
	}
	// A program may call another over a link while it starts.
	t.env.Tell(t.vars)
	return nil
}

// start starts one program and returns when it is ready.
func (t *target) start(ctx context.Context, n string, p *Program) error {
	filled, err := p.fill(t.variables())
	if err != nil {
		return fmt.Errorf("process %s: %w", n, err)
	}
	if filled.Dir, err = faults.WorkingFolder(t.env.Files, filled.Dir); err != nil {
		return fmt.Errorf("process %s: %w", n, err)
	}
	filled.Command[0] = faults.Program(t.env.Files, filled.Command[0])
	spec := process.Spec{
		Name: n, Command: filled.Command, Dir: filled.Dir, Grace: filled.Grace,
		Refused: t.env.Refused, Journal: t.env.Journal, Run: t.env.Run,
	}
	for _, key := range slices.Sorted(maps.Keys(filled.Env)) {
		spec.Env = append(spec.Env, key+"="+filled.Env[key])
	}
	if t.env.Output != nil {
		out, err := t.env.Output(n)
		if err != nil {
			return fmt.Errorf("process %s: keep its output: %w", n, err)
		}
		t.outputs = append(t.outputs, out)
		spec.Output = out
	}
	if err := t.env.Within(ctx, filled.Ready.Addresses()...); err != nil {
		return fmt.Errorf("process %s: ready: %w", n, err)
	}
	probe, err := filled.Ready.Probe(t.first(n, p))
	if err != nil {
		return fmt.Errorf("process %s: %w", n, err)
	}
	if probe != nil {
		spec.Ready, spec.Begin, spec.Within = probe.Ready, probe.Begin, probe.Within
		spec.Output = probe.Output(spec.Output)
	}
	t.parts[n], t.mayEnd[n] = process.New(spec), p.MayEnd
	t.started = append(t.started, n)
	if err := t.parts[n].Start(ctx); err != nil {
		return err
	}
	for key, value := range t.parts[n].Vars() {
		t.vars[n+"."+key] = value
	}
	return nil
}

// first is the address of a program's first port; empty without ports.
func (t *target) first(n string, p *Program) string {
	if len(p.Ports) == 0 {
		return ""
	}
	return t.vars[n+"."+p.Ports[0]]
}

// variables returns the variables as a scenario writes them.
func (t *target) variables() map[string]string {
	vars := make(map[string]string, len(t.vars)+len(t.env.Vars))
	maps.Copy(vars, t.env.Vars)
	for name, value := range t.vars {
		vars[t.env.Name+"."+name] = value
	}
	return vars
}

// fill returns the program with its variables filled in.
func (p *Program) fill(vars map[string]string) (*Program, error) {
	var failed []error
	text := func(s string) string {
		out, err := scenarios.Fill(s, vars)
		failed = append(failed, err)
		return out
	}
	out := *p
	out.Command, out.Env = slices.Clone(p.Command), maps.Clone(p.Env)
	for i := range out.Command {
		out.Command[i] = text(out.Command[i])
	}
	for key, value := range out.Env {
		out.Env[key] = text(value)
	}
	out.Dir = text(p.Dir)
	out.Ready = p.Ready.Fill(text)
	return &out, errors.Join(failed...)
}

// Vars implements scenarios.Target.
func (t *target) Vars() map[string]string { return t.vars }

// Parts implements scenarios.Target.
func (t *target) Parts() map[string]faults.Part {
	parts := make(map[string]faults.Part, len(t.parts))
	for n, p := range t.parts {
		parts[n] = p
	}
	return parts
}

// Events implements scenarios.Witness: it reports programs that ended by themselves.
func (t *target) Events() []string {
	var all []string
	for _, n := range t.started {
		for _, d := range t.parts[n].Deaths() {
			all = append(all, d.Text)
		}
	}
	return all
}

// Deaths implements scenarios.Mortal: a program that may end is left out.
func (t *target) Deaths() []scenarios.Death {
	var all []scenarios.Death
	for _, n := range t.started {
		for _, d := range t.parts[n].Deaths() {
			if !t.mayEnd[n] {
				all = append(all, scenarios.Death{Part: n, Text: d.Text, At: d.At})
			}
		}
	}
	return all
}

// Close implements scenarios.Target. Programs end in the reverse order of their start.
func (t *target) Close(ctx context.Context) error {
	var failed []error
	for _, n := range slices.Backward(t.started) {
		failed = append(failed, t.parts[n].Close(ctx))
	}
	for _, out := range t.outputs {
		failed = append(failed, out.Close())
	}
	t.started, t.outputs = nil, nil
	return errors.Join(failed...)
}
