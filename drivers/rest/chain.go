package rest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/drivers/jsonpath"
)

// Step is one request of a chain.
type Step struct {
	Name      string            `yaml:"name" jsonschema:"required" jsonschema_description:"Names the step in the record."`
	Request   string            `yaml:"request" jsonschema:"required" jsonschema_description:"METHOD URL. Path and query may hold {{...}}, also values captured by earlier steps."`
	Query     map[string]string `yaml:"query" jsonschema_description:"Parameters that are added to the URL, escaped."`
	Headers   map[string]string `yaml:"headers" jsonschema_description:"Headers by name, in addition to the stream's."`
	Auth      Auth              `yaml:"auth" jsonschema_description:"The Authorization header. Default: the stream's."`
	Body      string            `yaml:"body" jsonschema_description:"The body."`
	BodyFile  string            `yaml:"body_file" path:"file" jsonschema_description:"A file that holds the body."`
	JSON      any               `yaml:"json" jsonschema_description:"The body, written as YAML and sent as JSON."`
	Form      map[string]string `yaml:"form" jsonschema_description:"The body, as a form's fields."`
	Multipart []Part            `yaml:"multipart" jsonschema_description:"The body, as a form with files."`
	OK        []string          `yaml:"ok" jsonschema_description:"Statuses and classes after which the chain continues. Default: 2xx."`
	Checks    []Check           `yaml:"checks" jsonschema_description:"What must hold of an answer that is ok."`
	Capture   map[string]string `yaml:"capture" jsonschema_description:"Values for the templates of later steps, as {{NAME}}: a path into a JSON body ($.order.id), header NAME [REGEXP], or body REGEXP (its first group, or all of the match). One that is absent fails the step with the code check."`
}

// capture takes a value out of an answer.
type capture struct {
	what string // as written
	of   func(*answer) ([]byte, bool)
}

// steps compiles a chain.
func (cp *compiler) steps() []compiledRequest {
	var requests []compiledRequest
	for i := range cp.config.Steps {
		s := &cp.config.Steps[i]
		cp.prefix, cp.base = fmt.Sprintf("steps[%d].", i), uint64(i)*stepPlaces
		switch {
		case s.Name == "" || !isToken(s.Name):
			cp.problemAt("name", fmt.Sprintf("%q is no name: write letters, digits, - and _", s.Name))
		case slices.ContainsFunc(cp.config.Steps[:i], func(o Step) bool { return o.Name == s.Name }):
			cp.problemAt("name", "two steps are named "+s.Name)
		}
		l := cp.compile(s)
		l.step = s.Name
		// Only the steps after this one may use what it captures.
		for _, name := range slices.Sorted(maps.Keys(s.Capture)) {
			l.captures = append(l.captures, cp.capture(l.evaluator, name, s.Capture[name]))
		}
		requests = append(requests, l)
	}
	return requests
}

var captureName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// capture compiles one entry of `capture`.
func (cp *compiler) capture(ev *evaluator, name, spec string) capture {
	field := "capture." + name
	switch {
	case !captureName.MatchString(name):
		cp.problemAt(field, "is no name: write letters, digits, - and _")
	case drivers.Reserved(name):
		cp.problemAt(field, "{{"+name+"}} is a built-in name; choose another")
	case slices.Contains(cp.captured, name):
		cp.problemAt(field, "is captured already; choose another name")
	}
	cp.captured = append(cp.captured, name)
	of, err := ev.capture(spec)
	if err != nil {
		cp.problemAt(field, err.Error())
	}
	return capture{name + ": " + spec, of}
}

// capture compiles $.path, header NAME [REGEXP], or body REGEXP.
func (ev *evaluator) capture(spec string) (func(*answer) ([]byte, bool), error) {
	kind, rest, _ := strings.Cut(strings.TrimSpace(spec), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.HasPrefix(spec, "$"):
		path, err := jsonpath.Parse(spec)
		ev.keep = true
		return func(a *answer) ([]byte, bool) { return jsonText(a.body, path) }, err
	case kind == "body" && rest != "":
		re, err := pattern(rest)
		ev.keep = true
		return func(a *answer) ([]byte, bool) { return group(re, a.body) }, err
	case kind == "header" && rest != "":
		name, match, some := strings.Cut(rest, " ")
		if !isToken(name) {
			return nil, fmt.Errorf("%q is no header name", name)
		}
		var re *regexp.Regexp
		var err error
		if some {
			re, err = pattern(strings.TrimSpace(match))
		}
		n := ev.keepHeader(name, re)
		return func(a *answer) ([]byte, bool) { return a.values[n].text, a.values[n].found }, err
	}
	return nil, fmt.Errorf("%q: write a path ($.order.id), header NAME [REGEXP], or body REGEXP", spec)
}

// chain is the driver of a stream whose operations take several steps.
type chain struct {
	*client
	requests []compiledRequest
	drivers  []*driver
}

// Session implements drivers.Driver.
func (c *chain) Session() (drivers.Session, error) {
	return &chainSession{chain: c, requester: newRequester(c.client)}, nil
}

// chainSession is a session of a chain.
type chainSession struct {
	chain *chain
	*requester
	op     drivers.Op
	values drivers.Values
}

// Do implements drivers.Session. The attempt is acked when every step was. A chain that stops at a step has that
// step's code. It is rejected only when the step was rejected and no earlier step could have had an effect (all were
// GET, HEAD or OPTIONS). Otherwise it is indeterminate: a part of it was done.
func (w *chainSession) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	w.op, w.values = *op, w.values[:0]
	w.op.Values = &w.values
	steps := make(drivers.Steps, 0, len(w.chain.requests))
	whole := drivers.Attempt{Number: at.Number, Begun: at.Begun}
	safe := true
	for i := range w.chain.requests {
		at.Reset(at.Number, w.chain.env.Clock())
		a := w.attempt(ctx, w.chain.drivers[i], &w.op, at)
		if at.Outcome == drivers.Acked {
			w.take(&w.chain.requests[i], a, at)
		}
		if at.Outcome != drivers.Acked {
			at.Fail(at.Outcome, at.Code, "step "+w.chain.requests[i].step+": "+at.Detail)
		}
		steps = append(steps, drivers.Step{Sent: max(at.Sent, at.Begun), Done: at.Done, Outcome: at.Outcome, Code: at.Code, Answered: at.Answered})
		join(&whole, at, i == 0)
		if at.Outcome != drivers.Acked {
			break
		}
		safe = safe && w.chain.requests[i].request.line.safe()
	}
	if whole.Outcome == drivers.Rejected && !safe {
		whole.Outcome = drivers.Indeterminate
	}
	whole.Steps = &steps
	*at = whole
}

// join adds a step to the attempt that it is part of. The last step decides how the attempt ended.
func join(whole, step *drivers.Attempt, first bool) {
	if first {
		whole.Sent = step.Sent
	}
	whole.Outcome, whole.Code, whole.Detail = step.Outcome, step.Code, step.Detail
	whole.Done, whole.Answered, whole.Status, whole.RetryAfter = step.Done, step.Answered, step.Status, step.RetryAfter
	whole.Wire = whole.Wire || step.Wire
	whole.Hidden += step.Hidden
	whole.Transparent += step.Transparent
	whole.In += step.In
	whole.Out += step.Out
}

// take captures what later steps need.
func (w *chainSession) take(step *compiledRequest, a *answer, at *drivers.Attempt) {
	captures, evaluator := step.captures, step.evaluator
	for i := range captures {
		value, found := captures[i].of(a)
		if !found {
			at.Fail(drivers.Indeterminate, drivers.CodeCheck, "capture "+captures[i].what+" is absent: "+clip(a.body, shownBody)+evaluator.operation(&w.op))
			return
		}
		w.values = append(w.values, bytes.Clone(value))
	}
}

// Close implements drivers.Session.
func (w *chainSession) Close() error { return w.requester.close() }

// safe reports whether the method asks for no effect (RFC 9110, 9.2.1).
func (l requestLine) safe() bool {
	return l.method == "GET" || l.method == "HEAD" || l.method == "OPTIONS"
}
