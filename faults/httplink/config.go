// Package httplink breaks HTTP on a link, above its bytes: HTTP/1.1, and HTTP/2 in clear text as gRPC uses it.
//
// The layer is put only on links that the scenario breaks this way, and acts only while a fault is in force. HTTP/1.1
// passes byte for byte. Of HTTP/2 the layer encodes each header block anew, without the dynamic table. Otherwise a
// delayed or missing block would leave the two ends with different tables (RFC 7541, section 2.2). Other protocols
// pass unchanged.
package httplink

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"wringer/faults"
	"wringer/faults/request"
)

// protocol is the layer's name on a link.
const protocol = "http"

// Config is a fault on the requests of a link.
type Config struct {
	Link string `yaml:"link" jsonschema:"required" jsonschema_description:"The link: of a REST or gRPC stream, or one of links."`
	Act  Act    `yaml:"http" jsonschema:"required" jsonschema_description:"The fault on the matching requests."`
}

// Act is what a fault does: exactly one action, on the requests that Match, First and Share select.
type Act struct {
	Status     int           `yaml:"status" jsonschema_description:"The status of an answer that replaces the target's: 503, 429. The target does not get the request."`
	RetryAfter time.Duration `yaml:"retry_after" jsonschema_description:"The Retry-After of that answer, in whole seconds."`
	GRPC       string        `yaml:"grpc" jsonschema_description:"The gRPC code of an answer that replaces the target's: UNAVAILABLE, RESOURCE_EXHAUSTED."`
	Headers    time.Duration `yaml:"delay_headers" worse:"more" jsonschema_description:"The delay of the answer."`
	Body       time.Duration `yaml:"delay_body" worse:"more" jsonschema_description:"The delay of the answer's body; its headers come at once."`
	Truncate   *int          `yaml:"truncate" worse:"less" jsonschema_description:"The number of bytes of the body after which the answer ends, although more were announced."`
	Corrupt    bool          `yaml:"corrupt" jsonschema_description:"Changes bytes of the answer's body, but not its length."`
	Cut        int           `yaml:"cut" worse:"less" jsonschema_description:"The connection is reset at its request of this number, which the target does not get."`
	Discard    bool          `yaml:"discard" jsonschema_description:"The request does not reach the target, and no answer comes."`

	First int          `yaml:"first" worse:"more" jsonschema_description:"The number of requests to act on, from the first. Default: all."`
	Share faults.Share `yaml:"share" worse:"more" jsonschema_description:"Only this share of the requests, drawn from the seed. Default: all."`
	Match Match        `yaml:"match" jsonschema_description:"Which requests. Default: all."`
}

// Match selects the requests of a fault. All given conditions must hold.
type Match struct {
	Method  string            `yaml:"method" jsonschema_description:"The method: POST."`
	Path    string            `yaml:"path" jsonschema_description:"The path, without the query; with * at its end, a prefix: /orders/*, /shop.v1.Inventory/Reserve."`
	Headers map[string]string `yaml:"headers" jsonschema_description:"Headers and their values; * is any value."`
}

// codes are the names of gRPC's codes, by number.
var codes = []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL",
	"UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

// codeOf returns the number of a code's name; 0 if it is not an error code.
func codeOf(name string) int {
	for n, code := range codes {
		if code == name {
			return n
		}
	}
	return 0
}

// verbs describe the actions that are set.
func (a *Act) verbs() (words []string) {
	add := func(set bool, format string, args ...any) {
		if set {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(a.Status != 0, "answer %d", a.Status)
	add(a.GRPC != "", "answer %s", a.GRPC)
	add(a.Headers != 0, "delay headers by %v", a.Headers)
	add(a.Body != 0, "delay body by %v", a.Body)
	if a.Truncate != nil {
		add(true, "truncate after %d bytes", *a.Truncate)
	}
	add(a.Corrupt, "corrupt body")
	add(a.Cut != 0, "cut at request %d", a.Cut)
	add(a.Discard, "discard")
	return words
}

// Check implements faults.Config.
func (c *Config) Check(problem func(field, message string)) {
	a := &c.Act
	if verbs := a.verbs(); len(verbs) != 1 {
		problem("http", "does one thing: give one of status, grpc, delay_headers, delay_body, truncate, corrupt, cut and discard")
	}
	if a.Status != 0 && (a.Status < 200 || a.Status > 599) {
		problem("http.status", fmt.Sprintf("%d ends no request: write 200 to 599", a.Status))
	}
	if a.GRPC != "" && codeOf(a.GRPC) == 0 {
		problem("http.grpc", fmt.Sprintf("%q is not a gRPC error: write one of %s", a.GRPC, strings.Join(codes[1:], ", ")))
	}
	switch {
	case a.RetryAfter < 0 || a.RetryAfter%time.Second != 0:
		problem("http.retry_after", "must be in whole seconds: write 1s, 2s")
	case a.RetryAfter > 0 && a.Status == 0:
		problem("http.retry_after", "has no effect without status")
	}
	for field, negative := range map[string]bool{
		"delay_headers": a.Headers < 0, "delay_body": a.Body < 0, "truncate": a.Truncate != nil && *a.Truncate < 0, "cut": a.Cut < 0, "first": a.First < 0,
	} {
		if negative {
			problem("http."+field, "is negative")
		}
	}
	if a.First > 0 && a.Share > 0 {
		problem("http.first", "stands beside share: give one of the two")
	}
	if a.Cut > 0 && (a.First > 0 || a.Share > 0) {
		problem("http.cut", "counts every matching request of its connection: remove first and share")
	}
	c.checkMatch(problem)
}

func (c *Config) checkMatch(problem func(field, message string)) {
	m := &c.Act.Match
	if m.Method != strings.ToUpper(m.Method) || strings.ContainsAny(m.Method, " *") {
		problem("http.match.method", fmt.Sprintf("%q is not a method: write one in capitals, as in POST", m.Method))
	}
	if m.Path != "" && !strings.HasPrefix(m.Path, "/") {
		problem("http.match.path", fmt.Sprintf("%q would match nothing: a path begins with /", m.Path))
	}
	if strings.Contains(strings.TrimSuffix(m.Path, "*"), "*") || strings.Contains(m.Path, "?") {
		problem("http.match.path", "may hold a * only at its end, and no query")
	}
	for name, value := range m.Headers {
		if name == "" || value == "" {
			problem("http.match.headers", "a name or a value is empty, and would match nothing: write * for any value")
		}
	}
}

// Kind implements faults.Config.
func (c *Config) Kind() string {
	words := c.Act.verbs()
	if len(words) == 0 {
		return protocol
	}
	word, _, _ := strings.Cut(words[0], " ")
	return protocol + "-" + word
}

// On implements faults.Config.
func (c *Config) On() faults.Place { return faults.Place{Link: c.Link} }

// Describe implements faults.Config.
func (c *Config) Describe() faults.Description { return faults.Description{Words: c.words()} }

// words describe the fault: "answer 503, to POST /orders, of 30%".
func (c *Config) words() string {
	a := &c.Act
	words := a.verbs()
	if a.RetryAfter > 0 {
		words = append(words, fmt.Sprint("Retry-After ", a.RetryAfter))
	}
	if to := strings.TrimSpace(a.Match.Method + " " + a.Match.Path); to != "" {
		words = append(words, "to "+to)
	}
	if n := len(a.Match.Headers); n > 0 {
		words = append(words, fmt.Sprintf("with %d headers", n))
	}
	if a.First > 0 {
		words = append(words, "of the first "+strconv.Itoa(a.First))
	}
	if a.Share > 0 {
		words = append(words, "of "+a.Share.String())
	}
	return strings.Join(words, ", ")
}

// matches reports whether a request meets all conditions.
func (m *Match) matches(method, path string, header http.Header) bool {
	path, _, _ = strings.Cut(path, "?")
	if m.Method != "" && m.Method != method {
		return false
	}
	if prefix, any := strings.CutSuffix(m.Path, "*"); m.Path != "" && (any && !strings.HasPrefix(path, prefix) || !any && path != m.Path) {
		return false
	}
	for name, want := range m.Headers {
		got := header.Values(name)
		if len(got) == 0 || want != "*" && !contains(got, want) {
			return false
		}
	}
	return true
}

func contains(all []string, want string) bool {
	for _, s := range all {
		if s == want {
			return true
		}
	}
	return false
}

// Prepare implements faults.NeedsLayer.
func (c *Config) Prepare(link faults.Link) error {
	_, err := layerOn(link)
	return err
}

// Open implements faults.Config.
func (c *Config) Open(env faults.Env) (faults.Fault, error) {
	link, err := env.Link(c.Link)
	if err != nil {
		return nil, err
	}
	l, err := layerOn(link)
	if err != nil {
		return nil, err
	}
	return &Fault{Force: request.Force{First: c.Act.First, Share: c.Act.Share, Seed: env.Seed}, act: c.Act, name: c.words(), layer: l}, nil
}
