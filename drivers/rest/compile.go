package rest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// leg is one request of an operation made ready: what is sent, what its answers mean, and what is kept of them.
type leg struct {
	request  *request
	judge    *judge
	captures []capture
}

// compile makes the requests ready and reports what stands in the way of it. Without env, ${...} has not been resolved yet,
// and what depends on it, or on files, is let pass.
func (c *Config) compile(env *drivers.Env, problem func(field, message string)) []leg {
	w := &writer{config: c, env: env, problem: problem}
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
	return []leg{w.leg(&Step{
		Request: c.Request, Query: c.Query, Headers: c.Headers, Auth: c.Auth, Body: c.Body, BodyFile: c.BodyFile, JSON: c.JSON,
		Form: c.Form, Multipart: c.Multipart, OK: c.OK, Checks: c.Checks,
	})}
}

// writer compiles the texts of a stream's requests.
type writer struct {
	config   *Config
	env      *drivers.Env // nil: ${...} is not resolved yet
	feed     *drivers.Feed
	captured []string // the values that the steps so far captured, by number
	base     uint64   // of the places of the step's texts
	path     string   // of the step's fields: steps[0].
	problem  func(field, message string)
}

func (w *writer) wrong(field, message string) { w.problem(w.path+field, message) }

// text compiles a template; place tells the texts of a request apart, and escape fits it for where it stands.
func (w *writer) text(field, s string, place uint64, escape func([]byte, int) []byte) text {
	d := drivers.Dialect{Lookup: w.lookUp, Names: w.names(), Escape: escape}
	t, err := d.Compile(s)
	if err != nil {
		w.wrong(field, err.Error())
		return text{}
	}
	if w.env == nil {
		return text{template: t}
	}
	own := *w.env
	own.Seed = drivers.Draw(w.env.Seed, w.base+place, textPlace)
	return text{template: t, env: &own}
}

// lookUp finds what this stream's templates may hold beyond the places of all: columns, and captured values.
func (w *writer) lookUp(name string) drivers.Place {
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

func (w *writer) names() []string {
	names := slices.Clone(w.captured)
	switch {
	case w.feed != nil:
		names = append(names, w.feed.Places()...)
	case w.config.Data != nil:
		names = append(names, "data.NAME")
	}
	return names
}

// Places of a request's texts. Headers follow from headerPlace on.
const (
	pathPlace = iota
	bodyPlace
	headerPlace
	queryPlace = 1 << 12
	partPlace  = 1 << 13
	wantPlace  = 1 << 14
	markPlace  = 1 << 15 // of what a witness reads
	stepPlaces = 1 << 20 // of one step
)

// leg compiles one request with what its answers mean.
func (w *writer) leg(s *Step) leg {
	r := w.request(s)
	l := leg{request: r, judge: w.judge(s.OK, s.Checks)}
	return l
}

func (w *writer) request(s *Step) *request {
	r := &request{close: !w.config.reuse(), env: w.env}
	line, err := parseLine(s.Request)
	if err != nil {
		w.wrong("request", err.Error())
	}
	r.line = line
	if err == nil && (w.env != nil || !strings.Contains(s.Request, "${")) {
		if err := line.checkURL(); err != nil {
			w.wrong("request", err.Error())
		}
	}
	if line.scheme == "http" && w.config.TLS != (tlsconfig.Config{}) {
		w.problem("tls", "goes with https:// only")
	}
	r.path = texts{{text: w.text("request", line.path, pathPlace, escapeLine)}}
	w.query(r, s)
	r.body = w.body(r, s)
	w.headers(r, s.Headers, func(string) bool { return false })
	if w.path != "" {
		w.headers(r, w.config.Headers, func(name string) bool { return named(s.Headers, name) })
	}
	w.auth(r, s)
	if w.env != nil && w.env.Mark != "" {
		r.add(drivers.MarkHeader, w.text("witness", w.env.Mark, markPlace, nil))
	}
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
func (w *writer) query(r *request, s *Step) {
	sign := "?"
	if strings.Contains(r.line.path, "?") {
		sign = "&"
	}
	for i, name := range slices.Sorted(maps.Keys(s.Query)) {
		value := w.text("query."+name, s.Query[name], queryPlace+uint64(i), escapeQuery)
		r.path = append(r.path, piece{sign + string(escapeQuery([]byte(name), 0)) + "=", value})
		sign = "&"
	}
}

// headers adds the headers that skip does not name.
func (w *writer) headers(r *request, headers map[string]string, skip func(name string) bool) {
	for i, name := range slices.Sorted(maps.Keys(headers)) {
		field, value := "headers."+name, headers[name]
		if err := checkHeader(name, value); err != nil {
			w.wrong(field, err.Error())
		}
		if !skip(name) {
			r.add(name, w.text(field, value, headerPlace+uint64(i), escapeHeader))
		}
	}
}

// auth adds the Authorization header.
func (w *writer) auth(r *request, s *Step) {
	a := s.Auth
	if a == (Auth{}) {
		a = w.config.Auth
	}
	switch {
	case a == (Auth{}):
		return
	case a.Basic != nil && a.Bearer != "":
		w.wrong("auth", "basic and bearer exclude each other; keep one of the two")
	case r.names("Authorization"):
		w.wrong("auth", "stands beside the header Authorization; keep one of the two")
	case a.Basic != nil:
		if strings.Contains(a.Basic.User, ":") {
			w.wrong("auth.basic.user", "holds a colon, which would end it (RFC 7617)")
		}
		r.add("Authorization", w.basic(a.Basic))
	default:
		r.add("Authorization", w.text("auth.bearer", "Bearer "+a.Bearer, headerPlace+authPlace, escapeHeader))
	}
}

const authPlace = 1 << 11

// basic is a text whose one place renders user and password in base64.
func (w *writer) basic(b *Basic) text {
	user := w.text("auth.basic.user", b.User, headerPlace+authPlace, nil)
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
		w.wrong("auth.basic", err.Error())
	}
	return text{template: t, env: w.env}
}

// judge reads `ok` and `checks`.
func (w *writer) judge(ok []string, checks []Check) *judge {
	j := &judge{}
	if len(ok) == 0 {
		ok = []string{"2xx"}
	}
	for i, entry := range ok {
		low, high, err := parseStatus(entry)
		if err != nil {
			w.wrong(fmt.Sprintf("ok[%d]", i), err.Error())
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
