package rest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/drivers/chain"
	"wringer/drivers/checks"
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
	return c.compileBy(&compiler{config: c, env: env, problem: problem})
}

// CheckFiles implements drivers.FileChecker.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	c.compileBy(&compiler{config: c, env: &drivers.Env{Files: folder, Epoch: time.Now}, ready: ready, problem: problem})
	c.TLS.CheckFiles(folder, ready, problem)
}

func (c *Config) compileBy(cp *compiler) []compiledRequest {
	if c.Data != nil && cp.readable(c.Data.File) {
		feed, err := c.Data.Open(cp.env.Files, cp.env.Seed)
		if err != nil {
			cp.problem("data.file", err.Error())
		}
		cp.feed = feed
	}
	switch {
	case c.Targets != nil:
		return cp.targets()
	case c.Steps != nil:
		return cp.steps()
	}
	return []compiledRequest{cp.compile(&Step{
		Request: c.Request, Query: c.Query, Headers: c.Headers, Auth: c.Auth, Body: c.Body, BodyFile: c.BodyFile, JSON: c.JSON,
		Form: c.Form, Multipart: c.Multipart, OK: c.OK, Checks: c.Checks,
	})}
}

// compiler compiles the texts of a stream's requests.
type compiler struct {
	config *Config
	env    *drivers.Env // nil: ${...} is not resolved yet, and no file is read
	// ready says which files can be read; nil: all, and ${...} is resolved.
	ready    func(path string) error
	feed     *drivers.Feed
	named    checks.Names   // the checks that have a name
	captured chain.Captured // the values that the steps so far captured, by number
	base     uint64         // offset of the step's places
	prefix   string         // prefix of the step's fields, as in steps[0].
	guarded  []guardedText  // of the request that is being compiled
	problem  func(field, message string)
}

// readable says whether a file can be read now.
func (cp *compiler) readable(path string) bool {
	return cp.env != nil && (cp.ready == nil || cp.ready(path) == nil)
}

// known says whether nothing is left to fill in.
func (cp *compiler) known(text string) bool {
	return cp.env != nil && cp.ready == nil || !strings.Contains(text, "${")
}

func (cp *compiler) problemAt(field, message string) { cp.problem(cp.prefix+field, message) }

// text compiles a template. place distinguishes the texts of a request. where is the syntax of the text; nil: none.
func (cp *compiler) text(field, s string, place uint64, where drivers.Syntax) text {
	return cp.compiled(field, s, place, where, drivers.Dialect.Compile)
}

// content compiles the content of a file.
func (cp *compiler) content(field, s string, place uint64, where drivers.Syntax) text {
	return cp.compiled(field, s, place, where, drivers.Dialect.CompileContent)
}

func (cp *compiler) compiled(field, s string, place uint64, where drivers.Syntax, compile func(drivers.Dialect, string) (*drivers.Template, error)) text {
	t, err := compile(drivers.Dialect{Lookup: cp.lookUp, Names: cp.names(), Syntax: where}, s)
	if err != nil {
		cp.problemAt(field, err.Error())
		return text{}
	}
	if cp.env == nil {
		return text{template: t}
	}
	own := *cp.env
	own.Seed = drivers.Draw(cp.env.Seed, cp.base+place, textPlace)
	out := text{template: t, env: &own}
	if t.Guarded() {
		cp.guarded = append(cp.guarded, guardedText{cp.prefix + field, out})
	}
	return out
}

// lookUp finds the template names of this stream beside the built-in ones: columns of its data, and captured values.
func (cp *compiler) lookUp(name string) drivers.Place {
	if i := slices.Index(cp.captured, name); i >= 0 {
		return drivers.Captured(i)
	}
	if cp.feed != nil {
		return cp.feed.Place(name)
	}
	if cp.config.Data != nil && strings.HasPrefix(name, "data.") {
		// The columns are known once the file is read. A file that cannot be read is a problem of its own.
		return func(dst []byte, _ *drivers.Env, _ *drivers.Op, _ uint64) []byte { return dst }
	}
	return nil
}

func (cp *compiler) names() []string {
	names := slices.Clone([]string(cp.captured))
	switch {
	case cp.feed != nil:
		names = append(names, cp.feed.Places()...)
	case cp.config.Data != nil:
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
	tracePlace = markPlace + 1
	stepPlaces = 1 << 20 // the places of one step
)

// compile compiles one request and the evaluator of its answers.
func (cp *compiler) compile(s *Step) compiledRequest {
	r := cp.request(s)
	l := compiledRequest{request: r, evaluator: cp.evaluator(s.OK, s.Checks)}
	return l
}

func (cp *compiler) request(s *Step) *request {
	r := &request{close: !cp.config.reuse(), env: cp.env}
	line, err := parseRequestLine(s.Request)
	if err != nil {
		cp.problemAt("request", err.Error())
	}
	r.line = line
	if err == nil && cp.known(s.Request) {
		if err := line.checkURL(); err != nil {
			cp.problemAt("request", err.Error())
		}
	}
	if line.scheme == "http" && cp.config.TLS != (tlsconfig.Config{}) {
		cp.problem("tls", "works only with https://")
	}
	r.path = texts{{text: cp.text("request", line.path, pathPlace, syntax.Path())}}
	cp.query(r, s)
	r.body = cp.body(r, s)
	cp.headers(r, s.Headers, func(string) bool { return false })
	if cp.prefix != "" {
		cp.headers(r, cp.config.Headers, func(name string) bool { return named(s.Headers, name) })
	}
	cp.auth(r, s)
	if cp.env != nil && cp.env.Mark != "" {
		r.add(drivers.MarkHeader, cp.text("witness", cp.env.Mark, markPlace, nil))
	}
	if cp.env != nil {
		for i, h := range cp.env.Trace.Headers {
			r.add(h.Name, cp.text("trace", h.Template, tracePlace+uint64(i), nil))
		}
	}
	r.guarded, cp.guarded = cp.guarded, nil
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
func (cp *compiler) query(r *request, s *Step) {
	sign := "?"
	if strings.Contains(r.line.path, "?") {
		sign = "&"
	}
	for i, name := range slices.Sorted(maps.Keys(s.Query)) {
		value := cp.text("query."+name, s.Query[name], queryPlace+uint64(i), drivers.Uniform(syntax.Query))
		r.path = append(r.path, piece{sign + string(syntax.Query([]byte(name), 0)) + "=", value})
		sign = "&"
	}
}

// headers adds the headers, without those that skip selects.
func (cp *compiler) headers(r *request, headers map[string]string, skip func(name string) bool) {
	for i, name := range slices.Sorted(maps.Keys(headers)) {
		field, value := "headers."+name, headers[name]
		if err := checkHeader(name, value); err != nil {
			cp.problemAt(field, err.Error())
		}
		if !skip(name) {
			r.add(name, cp.text(field, value, headerPlace+uint64(i), syntax.Header()))
		}
	}
}

// auth adds the Authorization header.
func (cp *compiler) auth(r *request, s *Step) {
	a := s.Auth
	if a == (Auth{}) {
		a = cp.config.Auth
	}
	switch {
	case a == (Auth{}):
		return
	case a.Basic != nil && a.Bearer != "":
		cp.problemAt("auth", "basic and bearer exclude each other; keep one of the two")
	case r.names("Authorization"):
		cp.problemAt("auth", "stands beside the header Authorization; keep one of the two")
	case a.Basic != nil:
		if strings.Contains(a.Basic.User, ":") {
			cp.problemAt("auth.basic.user", "holds a colon, which would end it (RFC 7617)")
		}
		r.add("Authorization", cp.basic(a.Basic))
	default:
		r.add("Authorization", cp.text("auth.bearer", "Bearer "+a.Bearer, headerPlace+authPlace, syntax.Header()))
	}
}

const authPlace = 1 << 11

// basic is a text with a single place, which renders user and password in base64.
func (cp *compiler) basic(b *Basic) text {
	user := cp.text("auth.basic.user", b.User, headerPlace+authPlace, syntax.User())
	password := cp.text("auth.basic.password", b.Password, headerPlace+authPlace+1, nil)
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
		cp.problemAt("auth.basic", err.Error())
	}
	return text{template: t, env: cp.env}
}

// placed is a text with a single place.
func (cp *compiler) placed(field string, p drivers.Place) text {
	t, err := drivers.Dialect{Lookup: func(string) drivers.Place { return p }}.Compile("{{value}}")
	if err != nil {
		cp.problemAt(field, err.Error())
	}
	return text{template: t, env: cp.env}
}

// evaluator compiles `ok` and `checks`.
func (cp *compiler) evaluator(ok []string, all []Check) *evaluator {
	ev := &evaluator{maxBody: int64(cp.config.MaxBody)}
	if ev.maxBody == 0 {
		ev.maxBody = defaultMaxBody
	}
	if cp.env != nil {
		ev.name = cp.env.Identity.Text
	}
	if len(ok) == 0 {
		ok = []string{"2xx"}
	}
	for i, entry := range ok {
		low, high, err := parseStatus(entry)
		if err != nil {
			cp.problemAt(fmt.Sprintf("ok[%d]", i), err.Error())
			continue
		}
		for s := low; s <= high; s++ {
			ev.ok[s] = true
		}
	}
	if cp.env != nil && cp.env.Replay != nil {
		ev.chosen, ev.keep = cp.env.Replay, true
	}
	for i := range all {
		ev.add(&all[i], fmt.Sprintf("checks[%d]", i), cp)
	}
	if cp.config.Redirects > 0 {
		ev.keepHeader("Location", nil)
	}
	return ev
}

// Feed implements drivers.Fed.
func (c *Config) Feed(folder string, seed uint64) (*drivers.Feed, error) {
	return c.Data.Feed(folder, seed)
}
