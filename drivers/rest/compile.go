package rest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/drivers/syntax"
	"wringer/drivers/tlsconfig"
)

// compiledRequest is one request of an operation, ready to send: the request, the evaluator of its answers, and its
// captures.
type compiledRequest struct {
	request   *request
	evaluator *evaluator
	captures  []capture
	step      string // its name in a chain
}

// compile compiles the requests and reports every problem. Without env, ${...} is not resolved yet; then compile does
// not check values that depend on ${...} or on files.
func (c *Config) compile(env *drivers.Env, problem func(field, message string)) []compiledRequest {
	w := &compiler{config: c, env: env, problem: problem}
	if c.Data != nil && env != nil {
		feed, err := c.Data.Open(env.Files, env.Seed)
		if err != nil {
			problem("data", err.Error())
			return nil
		}
		w.feed = feed
	}
	switch {
	case c.Targets != nil:
		return w.targets()
	case c.Steps != nil:
		return w.steps()
	}
	return []compiledRequest{w.compile(&Step{
		Request: c.Request, Query: c.Query, Headers: c.Headers, Auth: c.Auth, Body: c.Body, BodyFile: c.BodyFile, JSON: c.JSON,
		Form: c.Form, Multipart: c.Multipart, OK: c.OK, Checks: c.Checks,
	})}
}

// compiler compiles the texts of a stream's requests.
type compiler struct {
	config   *Config
	env      *drivers.Env // nil: ${...} is not resolved yet
	feed     *drivers.Feed
	captured []string      // the values that the steps so far captured, by number
	base     uint64        // offset of the step's places
	prefix   string        // prefix of the step's fields, as in steps[0].
	guarded  []guardedText // of the request that is being compiled
	problem  func(field, message string)
}

func (w *compiler) problemAt(field, message string) { w.problem(w.prefix+field, message) }

// text compiles a template. place distinguishes the texts of a request. where is the syntax of the text; nil: none.
func (w *compiler) text(field, s string, place uint64, where drivers.Syntax) text {
	d := drivers.Dialect{Lookup: w.lookUp, Names: w.names(), Syntax: where}
	t, err := d.Compile(s)
	if err != nil {
		w.problemAt(field, err.Error())
		return text{}
	}
	if w.env == nil {
		return text{template: t}
	}
	own := *w.env
	own.Seed = drivers.Draw(w.env.Seed, w.base+place, textPlace)
	out := text{template: t, env: &own}
	if t.Guarded() {
		w.guarded = append(w.guarded, guardedText{w.prefix + field, out})
	}
	return out
}

// lookUp finds the template names of this stream beside the built-in ones: columns of its data, and captured values.
func (w *compiler) lookUp(name string) drivers.Place {
	if i := slices.Index(w.captured, name); i >= 0 {
		return func(dst []byte, _ *drivers.Env, op *drivers.Op, _ uint64) []byte {
			if op.Values == nil || i >= len(*op.Values) {
				return dst
			}
			return append(dst, (*op.Values)[i]...)
		}
	}
	if w.feed != nil {
		return w.feed.Place(name)
	}
	if w.config.Data != nil && w.env == nil && strings.HasPrefix(name, "data.") {
		// The columns are known once the file is read.
		return func(dst []byte, _ *drivers.Env, _ *drivers.Op, _ uint64) []byte { return dst }
	}
	return nil
}

func (w *compiler) names() []string {
	names := slices.Clone(w.captured)
	switch {
	case w.feed != nil:
		names = append(names, w.feed.Places()...)
	case w.config.Data != nil:
		names = append(names, "data.NAME")
	}
	return names
}

// The places of a request's texts. Header i has the place headerPlace+i.
const (
	pathPlace = iota
	bodyPlace
	headerPlace
	queryPlace = 1 << 12
	partPlace  = 1 << 13
	wantPlace  = 1 << 14
	markPlace  = 1 << 15 // of the mark that a witness reads
	stepPlaces = 1 << 20 // the places of one step
)

// compile compiles one request and the evaluator of its answers.
func (w *compiler) compile(s *Step) compiledRequest {
	r := w.request(s)
	l := compiledRequest{request: r, evaluator: w.evaluator(s.OK, s.Checks)}
	return l
}

func (w *compiler) request(s *Step) *request {
	r := &request{close: !w.config.reuse(), env: w.env}
	line, err := parseRequestLine(s.Request)
	if err != nil {
		w.problemAt("request", err.Error())
	}
	r.line = line
	if err == nil && (w.env != nil || !strings.Contains(s.Request, "${")) {
		if err := line.checkURL(); err != nil {
			w.problemAt("request", err.Error())
		}
	}
	if line.scheme == "http" && w.config.TLS != (tlsconfig.Config{}) {
		w.problem("tls", "works only with https://")
	}
	r.path = texts{{text: w.text("request", line.path, pathPlace, syntax.Path())}}
	w.query(r, s)
	r.body = w.body(r, s)
	w.headers(r, s.Headers, func(string) bool { return false })
	if w.prefix != "" {
		w.headers(r, w.config.Headers, func(name string) bool { return named(s.Headers, name) })
	}
	w.auth(r, s)
	if w.env != nil && w.env.Mark != "" {
		r.add(drivers.MarkHeader, w.text("witness", w.env.Mark, markPlace, nil))
	}
	r.guarded, w.guarded = w.guarded, nil
	return r
}

func named(headers map[string]string, name string) bool {
	for n := range headers {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// query adds parameters to the path.
func (w *compiler) query(r *request, s *Step) {
	sign := "?"
	if strings.Contains(r.line.path, "?") {
		sign = "&"
	}
	for i, name := range slices.Sorted(maps.Keys(s.Query)) {
		value := w.text("query."+name, s.Query[name], queryPlace+uint64(i), drivers.Uniform(syntax.Query))
		r.path = append(r.path, piece{sign + string(syntax.Query([]byte(name), 0)) + "=", value})
		sign = "&"
	}
}

// headers adds the headers, without those that skip selects.
func (w *compiler) headers(r *request, headers map[string]string, skip func(name string) bool) {
	for i, name := range slices.Sorted(maps.Keys(headers)) {
		field, value := "headers."+name, headers[name]
		if err := checkHeader(name, value); err != nil {
			w.problemAt(field, err.Error())
		}
		if !skip(name) {
			r.add(name, w.text(field, value, headerPlace+uint64(i), syntax.Header()))
		}
	}
}

// auth adds the Authorization header.
func (w *compiler) auth(r *request, s *Step) {
	a := s.Auth
	if a == (Auth{}) {
		a = w.config.Auth
	}
	switch {
	case a == (Auth{}):
		return
	case a.Basic != nil && a.Bearer != "":
		w.problemAt("auth", "basic and bearer exclude each other; keep one of the two")
	case r.names("Authorization"):
		w.problemAt("auth", "stands beside the header Authorization; keep one of the two")
	case a.Basic != nil:
		if strings.Contains(a.Basic.User, ":") {
			w.problemAt("auth.basic.user", "holds a colon, which would end it (RFC 7617)")
		}
		r.add("Authorization", w.basic(a.Basic))
	default:
		r.add("Authorization", w.text("auth.bearer", "Bearer "+a.Bearer, headerPlace+authPlace, syntax.Header()))
	}
}

const authPlace = 1 << 11

// basic is a text with a single place, which renders user and password in base64.
func (w *compiler) basic(b *Basic) text {
	user := w.text("auth.basic.user", b.User, headerPlace+authPlace, syntax.User())
	password := w.text("auth.basic.password", b.Password, headerPlace+authPlace+1, nil)
	if user.template == nil || password.template == nil {
		return text{}
	}
	encode := func(dst []byte, _ *drivers.Env, op *drivers.Op, _ uint64) []byte {
		pair := password.append(append(user.append(nil, op), ':'), op)
		return base64.StdEncoding.AppendEncode(dst, pair)
	}
	if user.template.Static() && password.template.Static() {
		return text{template: drivers.Literal("Basic " + string(encode(nil, nil, new(drivers.Op), 0)))}
	}
	t, err := drivers.Dialect{Lookup: func(name string) drivers.Place {
		if name == "pair" {
			return encode
		}
		return nil
	}}.Compile("Basic {{pair}}")
	if err != nil {
		w.problemAt("auth.basic", err.Error())
	}
	return text{template: t, env: w.env}
}

// evaluator compiles `ok` and `checks`.
func (w *compiler) evaluator(ok []string, checks []Check) *evaluator {
	j := &evaluator{maxBody: int64(w.config.MaxBody)}
	if j.maxBody == 0 {
		j.maxBody = defaultMaxBody
	}
	if w.env != nil {
		j.name = w.env.Identity.Text
	}
	if len(ok) == 0 {
		ok = []string{"2xx"}
	}
	for i, entry := range ok {
		low, high, err := parseStatus(entry)
		if err != nil {
			w.problemAt(fmt.Sprintf("ok[%d]", i), err.Error())
			continue
		}
		for s := low; s <= high; s++ {
			j.ok[s] = true
		}
	}
	if w.env != nil && w.env.Replay != nil {
		j.chosen, j.keep = w.env.Replay, true
	}
	for i := range checks {
		j.add(&checks[i], fmt.Sprintf("checks[%d]", i), w)
	}
	if w.config.Redirects > 0 {
		j.keepHeader("Location", nil)
	}
	return j
}
