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
	"wringer/drivers/chain"
	"wringer/drivers/checks"
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
	BodyFile  string            `yaml:"body_file" path:"file" jsonschema_description:"A file that holds the body. May hold {{...}} where it is UTF-8."`
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
	chain.CheckNames(cp.config.stepNames(), func(i int, message string) { cp.problem(fmt.Sprintf("steps[%d].name", i), message) })
	for i := range cp.config.Steps {
		s := &cp.config.Steps[i]
		cp.prefix, cp.base = fmt.Sprintf("steps[%d].", i), uint64(i)*stepPlaces
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

// capture compiles one entry of `capture`.
func (cp *compiler) capture(ev *evaluator, name, spec string) capture {
	field := "capture." + name
	if err := cp.captured.Add(name); err != nil {
		cp.problemAt(field, err.Error())
	}
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

// pattern compiles the regular expression of a capture. It is the same for every operation: {{...}} in it would be matched literally.
func pattern(s string) (*regexp.Regexp, error) {
	if strings.Contains(s, "{{") {
		return nil, fmt.Errorf("%q: the regular expression of a capture renders no {{...}}; that of a check does", s)
	}
	return regexp.Compile(s)
}

// jsonText is the value at a path of a JSON body, as a capture keeps it.
func jsonText(body []byte, path *jsonpath.Path) ([]byte, bool) {
	doc, err := checks.Decode(body)
	if err != nil {
		return nil, false
	}
	return checks.CaptureText(path.In(doc))
}

// stepped is the driver of a stream whose operations take several steps.
type stepped struct {
	*client
	requests []compiledRequest
	drivers  []*driver
}

// Session implements drivers.Driver. The steps of a session share its connections.
func (c *stepped) Session() (drivers.Session, error) {
	shared := newRequester(c.client)
	steps := make([]chain.Step, len(c.requests))
	for i := range steps {
		r := &c.requests[i]
		steps[i] = chain.Step{Name: r.step, Exchange: &exchange{requester: shared, driver: c.drivers[i], compiled: r}, Effectless: r.request.line.safe()}
	}
	return chain.New(c.env.Clock, steps), nil
}

// exchange makes the requests of one step.
type exchange struct {
	*requester
	driver   *driver
	compiled *compiledRequest
	last     *answer
}

// Do implements drivers.Session.
func (e *exchange) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	e.last = e.attempt(ctx, e.driver, op, at)
}

// Take implements chain.Exchange.
func (e *exchange) Take(op *drivers.Op, values drivers.Values) (_ drivers.Values, why string) {
	for i := range e.compiled.captures {
		c := &e.compiled.captures[i]
		value, found := c.of(e.last)
		if !found {
			return values, "capture " + c.what + " is absent: " + clip(e.last.body, shownBody) + e.compiled.evaluator.operation(op)
		}
		values = append(values, bytes.Clone(value))
	}
	return values, ""
}

// Close implements drivers.Session.
func (e *exchange) Close() error { return e.close() }

// safe reports whether the method asks for no effect (RFC 9110, 9.2.1).
func (l requestLine) safe() bool {
	return l.method == "GET" || l.method == "HEAD" || l.method == "OPTIONS"
}
