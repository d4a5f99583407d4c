package rest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"wringer/drivers"
)

// request renders the requests of a stream. It is read only once compiled.
type request struct {
	line    line
	path    text
	host    string // of the Host header; empty: the URL's
	headers []header
	agent   bool                     // the scenario names a User-Agent
	body    text                     // its template is nil when there is no body
	change  func(body []byte) []byte // makes another body of it, for replays; nil: none
	close   bool
	env     *drivers.Env
}

type header struct {
	name  string
	value text
}

// text is a template with a seed of its own, so that {{uuid}} in the path and {{uuid}} in the body differ.
type text struct {
	template *drivers.Template
	env      *drivers.Env
}

func (t text) append(dst []byte, op *drivers.Op) []byte { return t.template.Append(dst, t.env, op) }

// compileText compiles a template; place tells the texts of a request apart.
func compileText(env *drivers.Env, field, s string, place uint64, problem func(field, message string)) text {
	t, err := drivers.CompileTemplate(s)
	if err != nil {
		problem(field, err.Error())
		return text{}
	}
	if env == nil {
		return text{template: t}
	}
	own := *env
	own.Seed = drivers.Draw(env.Seed, place, textPlace)
	return text{template: t, env: &own}
}

const textPlace = 1 << 61

func (r *request) add(name string, value text) {
	switch {
	case value.template == nil:
	case strings.EqualFold(name, "Host"):
		r.host = value.template.String()
	default:
		r.agent = r.agent || strings.EqualFold(name, "User-Agent")
		r.headers = append(r.headers, header{name, value})
	}
}

// pieces of an HTTP/1.1 head, in order: a literal, then a text.
type piece struct {
	literal string
	text    text
}

// head lays out everything before the content length, with neighbouring literals joined.
func (r *request) head() []piece {
	var out []piece
	var literal strings.Builder
	put := func(t text) {
		if t.template.Static() {
			literal.Write(t.append(nil, new(drivers.Op)))
			return
		}
		out = append(out, piece{literal.String(), t})
		literal.Reset()
	}
	literal.WriteString(r.line.method + " ")
	put(r.path)
	literal.WriteString(" HTTP/1.1\r\nHost: " + r.authority() + "\r\n")
	if !r.agent {
		literal.WriteString("User-Agent: " + agent + "\r\n")
	}
	for _, h := range r.headers {
		literal.WriteString(h.name + ": ")
		put(h.value)
		literal.WriteString("\r\n")
	}
	if r.close {
		literal.WriteString("Connection: close\r\n")
	}
	return append(out, piece{literal: literal.String()})
}

const agent = "wringer"

func (r *request) authority() string {
	if r.host != "" {
		return r.host
	}
	return r.line.host
}

// appendBody renders the body.
func (r *request) appendBody(dst []byte, op *drivers.Op) []byte {
	if r.body.template == nil {
		return dst
	}
	n := len(dst)
	dst = r.body.append(dst, op)
	if r.change != nil {
		dst = append(dst[:n], r.change(dst[n:])...)
	}
	return dst
}

// appendHead renders the head, whose layout is what head returned, for a body of n bytes.
func (r *request) appendHead(dst []byte, layout []piece, op *drivers.Op, n int) []byte {
	for i := range layout {
		dst = append(dst, layout[i].literal...)
		if t := layout[i].text; t.template != nil {
			dst = t.append(dst, op)
		}
	}
	if n > 0 || r.line.expectsBody() {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// line is the request line of a scenario: METHOD URL.
type line struct {
	method string
	scheme string // http or https
	host   string // host, or host:port, as written
	path   string // path and query, with {{...}}
}

// parseLine cuts the text up. ${...} and {{...}} may stand anywhere in it.
func parseLine(s string) (line, error) {
	s = strings.TrimSpace(s)
	l := line{method: "GET"}
	if first, rest, found := strings.Cut(s, " "); found && isToken(first) && !strings.Contains(first, "{") {
		l.method, s = first, strings.TrimSpace(rest)
	}
	if s == "" {
		return l, errors.New("is missing: write METHOD URL, as in GET http://127.0.0.1:8080/")
	}
	switch {
	case l.method != strings.ToUpper(l.method):
		return l, fmt.Errorf("method %q: methods are case-sensitive, write %s", l.method, strings.ToUpper(l.method))
	case l.method == "CONNECT":
		return l, errors.New("method CONNECT is not supported")
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		rest = s
	} else {
		l.scheme = strings.ToLower(scheme)
	}
	rest, _, _ = strings.Cut(rest, "#") // a fragment is the client's own, and is never sent
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		l.host, l.path = rest[:i], rest[i:]
	} else {
		l.host = rest
	}
	if !strings.HasPrefix(l.path, "/") {
		l.path = "/" + l.path
	}
	var err error
	l.path, err = escapePath(l.path)
	return l, err
}

// checkURL checks what must be known before anything is dialled.
func (l line) checkURL() error {
	switch {
	case l.scheme != "http" && l.scheme != "https":
		return fmt.Errorf("scheme %q: write http:// or https://", l.scheme)
	case strings.Contains(l.host, "{{"):
		return errors.New("{{...}} in the host: a stream has one target")
	case strings.Contains(l.host, "@"):
		return errors.New("user and password in the URL: write them as an Authorization header")
	}
	u, err := url.Parse(l.scheme + "://" + l.host + "/")
	if err != nil {
		return fmt.Errorf("host %q: %v", l.host, errors.Unwrap(err))
	}
	if u.Hostname() == "" {
		return errors.New("the URL has no host")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("port %q: write 1 to 65535", p)
		}
	}
	return nil
}

// address is what is dialled: host:port.
func (l line) address() string {
	u := url.URL{Host: l.host}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[l.scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// hostname is the host without its port.
func (l line) hostname() string { return (&url.URL{Host: l.host}).Hostname() }

// expectsBody tells the methods for which an absent body is said (RFC 9110, 8.6).
func (l line) expectsBody() bool {
	return l.method == "POST" || l.method == "PUT" || l.method == "PATCH"
}

// escapePath escapes what a request line cannot carry, outside of {{...}}. What is escaped already stays.
func escapePath(s string) (string, error) {
	var b strings.Builder
	inside := 0
	for i := range len(s) {
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], "{{"):
			inside = 1
			b.WriteByte(c)
		case inside > 0:
			b.WriteByte(c)
			if c == '}' && i > 0 && s[i-1] == '}' {
				inside = 0
			}
		case c == ' ':
			return "", errors.New("a blank in the URL: write %20")
		case c < ' ' || c == 0x7f:
			return "", fmt.Errorf("control character %#02x in the URL", c)
		case c > 0x7f:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// checkHeader finds headers that would break the request's framing, or that the driver sets itself.
func checkHeader(name, value string) error {
	if !isToken(name) {
		return fmt.Errorf("%q is no header name", name)
	}
	switch strings.ToLower(name) {
	case "content-length", "transfer-encoding", "expect", "te", "trailer":
		return errors.New("is set by the driver; remove it")
	case "connection", "keep-alive", "upgrade":
		return errors.New("is set by the driver; see keepalive and http2")
	case "host":
		if strings.Contains(value, "{{") || value == "" {
			return errors.New("must be one fixed host")
		}
	}
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("control character %#02x in the value", c)
		}
	}
	return nil
}

// isToken tells the names and methods of RFC 9110, 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenBytes = func() (t [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()
