package rest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
)

// request renders the requests of a stream. It is read only once compiled.
type request struct {
	line    requestLine
	path    texts
	host    string // for the Host header; empty: the URL's
	headers []header
	agent   bool // the scenario sets a User-Agent
	body    texts
	change  func(body []byte) []byte // changes the body, for replays; nil: unchanged
	close   bool
	env     *drivers.Env
	guarded []guardedText // the texts whose values may be unfit for where they stand
}

// guardedText is a text of the request, with its field in the scenario.
type guardedText struct {
	field string
	text  text
}

// fits returns why a value of op cannot stand where it would; nil if all can. It renders into the free room of scratch.
func (r *request) fits(scratch []byte, op *drivers.Op) error {
	for i := range r.guarded {
		g := &r.guarded[i]
		if err := g.text.template.Fits(scratch, g.text.env, op); err != nil {
			return fmt.Errorf("%s: %w", g.field, err)
		}
	}
	return nil
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

const textPlace = 1 << 61

// texts are alternating literals and texts.
type texts []piece

func (t texts) append(dst []byte, op *drivers.Op) []byte {
	for i := range t {
		dst = append(dst, t[i].literal...)
		if t[i].text.template != nil {
			dst = t[i].text.append(dst, op)
		}
	}
	return dst
}

// piece is a literal followed by a text. The text's template may be nil.
type piece struct {
	literal string
	text    text
}

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

// names reports whether the request has a header of that name.
func (r *request) names(name string) bool {
	return slices.ContainsFunc(r.headers, func(h header) bool { return strings.EqualFold(h.name, name) })
}

// head lays out everything before the content length. Adjacent literals are joined.
func (r *request) head() texts {
	var out texts
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
	for _, p := range r.path {
		literal.WriteString(p.literal)
		if p.text.template != nil {
			put(p.text)
		}
	}
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
	n := len(dst)
	dst = r.body.append(dst, op)
	if r.change != nil {
		dst = append(dst[:n], r.change(dst[n:])...)
	}
	return dst
}

// appendHead renders the head for a body of n bytes. layout is the result of head.
func (r *request) appendHead(dst []byte, layout texts, op *drivers.Op, n int) []byte {
	dst = layout.append(dst, op)
	if n > 0 || r.line.expectsBody() {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// requestLine is the request line of a scenario: METHOD URL.
type requestLine struct {
	method string
	scheme string // http or https
	host   string // host, or host:port, as written
	path   string // path and query, with {{...}}
}

// parseRequestLine splits a request line. ${...} and {{...}} may stand anywhere in it.
func parseRequestLine(s string) (requestLine, error) {
	s = strings.TrimSpace(s)
	l := requestLine{method: "GET"}
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
	rest, _, _ = strings.Cut(rest, "#") // a fragment is never sent
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		l.host, l.path = rest[:i], rest[i:]
	} else {
		l.host = rest
	}
	if !strings.HasPrefix(l.path, "/") {
		l.path = "/" + l.path
	}
	if version := httpVersion.FindString(s); version != "" {
		return l, fmt.Errorf("the URL ends in%s: leave the version away; http2: true asks for HTTP/2", version)
	}
	var err error
	l.path, err = escapePath(l.path)
	return l, err
}

// httpVersion is the end of a request line as it goes over the wire.
var httpVersion = regexp.MustCompile(`\sHTTP/[0-9.]+$`)

// checkURL checks the parts that must be known before dialling.
func (l requestLine) checkURL() error {
	switch {
	case l.scheme != "http" && l.scheme != "https":
		return fmt.Errorf("scheme %q: write http:// or https://", l.scheme)
	case strings.Contains(l.host, "{{"):
		return errors.New("{{...}} in the host: a stream has one target")
	case strings.Contains(l.host, "@"):
		return errors.New("user and password in the URL: write auth: {basic: {user: ..., password: ...}}")
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

// address is the address to dial: host:port.
func (l requestLine) address() string {
	u := url.URL{Host: l.host}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[l.scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// hostname is the host without its port.
func (l requestLine) hostname() string { return (&url.URL{Host: l.host}).Hostname() }

// expectsBody reports whether the method sends Content-Length: 0 for an absent body (RFC 9110, 8.6).
func (l requestLine) expectsBody() bool {
	return l.method == "POST" || l.method == "PUT" || l.method == "PATCH"
}

// escapePath escapes the bytes that a request line cannot carry, except inside {{...}}. Existing escapes stay.
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

// checkHeader refuses headers that would break the request's framing, and headers that the driver sets itself.
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

// isToken reports whether s is a token (RFC 9110, 5.6.2), as names and methods are.
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
