package grpc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/drivers/chain"
	"wringer/drivers/checks"
	"wringer/drivers/jsonpath"
)

// Step is one call of a chain.
type Step struct {
	Name        string            `yaml:"name" jsonschema:"required" jsonschema_description:"Names the step in the record."`
	Method      string            `yaml:"method" jsonschema:"required" jsonschema_description:"The method, a unary one: package.Service/Method."`
	Message     any               `yaml:"message" jsonschema_description:"The request, by field name. Strings may hold {{...}}, also values captured by earlier steps. Absent: the empty message."`
	MessageFile string            `yaml:"message_file" path:"file" jsonschema_description:"Instead of message: a file that holds it, as that of a stream."`
	Metadata    map[string]string `yaml:"metadata" jsonschema_description:"Metadata by key, in addition to the stream's. Values may hold {{...}}."`
	Checks      []Check           `yaml:"checks" jsonschema_description:"What must hold of an answer that is OK."`
	Capture     map[string]string `yaml:"capture" jsonschema_description:"Values for the templates of later steps, as {{NAME}}: a path into the answer's JSON form ($.order.id). One that is absent or null fails the step with the code check."`

	standsIn bool // standIn is captured in place of no text: the answers are a null target's
}

// standIn is captured of a null target's answer: a text that is a number, too.
const standIn = "1"

// part is one call of an operation, as the configuration of a stream that makes only this call.
type part struct {
	*Config
	step   step
	prefix string // of its fields, as in steps[0].
	own    map[string]string
}

// step is what a call has as a step of a chain. The zero value with names is a stream's only call.
type step struct {
	name     string
	captured chain.Captured    // what earlier steps captured
	capture  map[string]string // what this one captures
	standsIn bool
	names    *checks.Names // of the checks of the whole chain
}

// parts are the calls of an operation, in order.
func (c *Config) parts() []part {
	names := new(checks.Names)
	if c.Steps == nil {
		return []part{{Config: c, step: step{names: names}, own: c.Metadata}}
	}
	var all []part
	var captured chain.Captured
	for i := range c.Steps {
		s := &c.Steps[i]
		sub := *c
		sub.Steps, sub.Method, sub.Message, sub.MessageFile, sub.Checks = nil, s.Method, s.Message, s.MessageFile, s.Checks
		sub.Metadata = maps.Clone(c.Metadata)
		for key, value := range s.Metadata {
			if sub.Metadata == nil {
				sub.Metadata = make(map[string]string)
			}
			maps.DeleteFunc(sub.Metadata, func(other, _ string) bool { return strings.EqualFold(other, key) })
			sub.Metadata[key] = value
		}
		if i > 0 {
			sub.Health = nil // the first step has asked
		}
		all = append(all, part{&sub, step{s.Name, slices.Clone(captured), s.Capture, s.standsIn, names}, fmt.Sprintf("steps[%d].", i), s.Metadata})
		for _, name := range slices.Sorted(maps.Keys(s.Capture)) {
			_ = captured.Add(name) // Check tells what is wrong with it
		}
	}
	return all
}

// below reports the problems of a part where the part stands.
func (p *part) below(problem func(field, message string)) func(field, message string) {
	return func(field, message string) { problem(p.prefix+field, message) }
}

// checkSteps checks the list of the steps, and what may not stand beside it.
func (c *Config) checkSteps(problem func(field, message string)) {
	if c.Steps == nil {
		return
	}
	if err := chain.CheckLength(len(c.Steps)); err != nil {
		problem("steps", err.Error())
	}
	for _, field := range []struct {
		name string
		set  bool
	}{{"method", c.Method != ""}, {"message", c.Message != nil}, {"message_file", c.MessageFile != ""}, {"checks", c.Checks != nil}, {"stream", c.Stream != nil}} {
		if field.set {
			problem(field.name, "stands beside steps; write it in a step")
		}
	}
	if c.Stream != nil {
		problem("stream", "a step makes a unary call; take stream away")
	}
	chain.CheckNames(c.stepNames(), func(i int, message string) { problem(fmt.Sprintf("steps[%d].name", i), message) })
	var captured chain.Captured
	for i := range c.Steps {
		for _, name := range slices.Sorted(maps.Keys(c.Steps[i].Capture)) {
			field := fmt.Sprintf("steps[%d].capture.%s", i, name)
			if err := captured.Add(name); err != nil {
				problem(field, err.Error())
			}
			if _, err := jsonpath.Parse(c.Steps[i].Capture[name]); err != nil {
				problem(field, err.Error())
			}
		}
	}
}

func (c *Config) stepNames() (names []string) {
	for i := range c.Steps {
		names = append(names, c.Steps[i].Name)
	}
	return names
}

// capture takes a value out of an answer.
type capture struct {
	what string // as written
	path *jsonpath.Path
}

// captures compiles what a step captures, in the order of the names.
func captures(specs map[string]string, fits func(spec string) error, problem func(field, message string)) (out []capture) {
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		path, err := jsonpath.Parse(specs[name])
		if err == nil {
			err = fits(specs[name])
		}
		if err != nil {
			problem("capture."+name, err.Error())
			continue
		}
		out = append(out, capture{name + ": " + specs[name], path})
	}
	return out
}

// take appends what is captured of an answer. why says which is absent.
func (a *answers) take(answer []byte, values drivers.Values) (_ drivers.Values, why string) {
	if a == nil || len(a.captures) == 0 {
		return values, ""
	}
	doc, err := a.document(answer)
	if err != nil {
		return values, "the answer has no JSON form: " + err.Error()
	}
	for i := range a.captures {
		value, found := checks.CaptureText(a.captures[i].path.In(doc))
		if a.standsIn && len(value) == 0 {
			value, found = []byte(standIn), true
		}
		if !found {
			return values, "capture " + a.captures[i].what + " is absent: " + checks.Shown(doc)
		}
		values = append(values, value)
	}
	return values, ""
}

// stepped is the driver of a stream whose operations take several steps. Each step has connections of its own.
type stepped struct {
	env   drivers.Env
	names []string
	calls []*driver
}

// openSteps opens the driver of each step.
func (c *Config) openSteps(ctx context.Context, env drivers.Env) (drivers.Driver, error) {
	d := &stepped{env: env, names: c.stepNames()}
	for _, p := range c.parts() {
		call, err := openDriver(ctx, p, env)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("step %s: %w", p.step.name, err), d.Close())
		}
		d.calls = append(d.calls, call)
		if call.flow != nil {
			return nil, errors.Join(fmt.Errorf("%w: step %s: %s streams, and a step makes a unary call", drivers.ErrConfig, p.step.name, p.Method), d.Close())
		}
	}
	return d, nil
}

// Session implements drivers.Driver.
func (d *stepped) Session() (drivers.Session, error) {
	steps := make([]chain.Step, len(d.calls))
	for i, call := range d.calls {
		steps[i] = chain.Step{Name: d.names[i], Exchange: &stepCaller{answering: call.session(), d: call}, Effectless: call.effectless}
	}
	return chain.New(d.env.Clock, steps), nil
}

// Close implements drivers.Driver.
func (d *stepped) Close() error {
	var all []error
	for _, call := range d.calls {
		all = append(all, call.Close())
	}
	return errors.Join(all...)
}

// Gauges implements drivers.Gauger.
func (d *stepped) Gauges(emit func(name string, value float64)) {
	sums := make(map[string]float64)
	for _, call := range d.calls {
		call.Gauges(func(name string, value float64) { sums[name] += value })
	}
	for _, name := range gauges {
		emit(name, sums[name])
	}
}

// answering is a session that keeps the message of the last answer until the next attempt.
type answering interface {
	drivers.Session
	answer() []byte
}

// stepCaller makes the calls of one step.
type stepCaller struct {
	answering
	d *driver
}

// Take implements chain.Exchange.
func (e *stepCaller) Take(op *drivers.Op, values drivers.Values) (_ drivers.Values, why string) {
	values, why = e.d.answers.take(e.answer(), values)
	if why != "" {
		why += e.d.operation(op)
	}
	return values, why
}
