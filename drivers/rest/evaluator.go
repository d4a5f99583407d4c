package rest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"wringer/drivers"
	"wringer/drivers/checks"
	"wringer/drivers/http1"
)

// evaluator decides what an answer means. It is read only once compiled.
type evaluator struct {
	ok       [1000]bool // by status
	checks   checks.Set[*answer]
	headers  []headerCheck           // the header conditions, in the order of answer.matched
	gathered []string                // headers of which every value is kept, in the order of answer.lines
	kept     []keptHeader            // headers whose values are kept, in the order of answer.values
	keep     bool                    // bodies are kept: a check reads them, or a replay compares them
	maxBody  int64                   // bound on a kept body, decoded
	name     func(seq uint64) string // names an operation in the text of a failure; nil: none is named
	// chosen selects the operations whose answer is kept; nil: none.
	chosen func(seq uint64) bool
}

// keptHeader is a header whose first matching value is kept: the first group of the match, or the whole value.
type keptHeader struct {
	name  string
	match *regexp.Regexp // nil: any value
}

// keepHeader keeps the values of a header. It returns the index in answer.values.
func (ev *evaluator) keepHeader(name string, match *regexp.Regexp) int {
	ev.kept = append(ev.kept, keptHeader{name, match})
	return len(ev.kept) - 1
}

// of returns the kept part of a value, and false if the value does not match.
func (k *keptHeader) of(value []byte) ([]byte, bool) {
	if k.match == nil {
		return value, true
	}
	return group(k.match, value)
}

// group is the first group of a match, or the whole match if the expression has none.
func group(re *regexp.Regexp, text []byte) ([]byte, bool) {
	m := re.FindSubmatch(text)
	switch {
	case m == nil:
		return nil, false
	case len(m) > 1:
		return m[1], m[1] != nil
	}
	return m[0], true
}

// keptValue is what a keptHeader found.
type keptValue struct {
	found bool
	text  []byte
}

// headerCheck holds when a header line of that name has a value that matches.
type headerCheck struct {
	name  string
	value *regexp.Regexp
}

// answer is a response as far as the judge needs it. It is reused: body is valid until the next one is read.
type answer struct {
	status     int
	size       int64    // of the body
	body       []byte   // the whole body if the evaluator keeps bodies, else the start of one whose status is not ok
	spare      []byte   // memory for another body
	codings    string   // Content-Encoding
	matched    []bool   // by headerCheck
	unmatched  []string // by headerCheck: the value that did not match
	values     []keptValue
	lines      [][][]byte // the values of the gathered headers
	retryAfter time.Duration
	last       bool          // the connection cannot be used again
	came       time.Duration // when the head came, on the run's clock, of an answer that is told without the end of its body; else 0
}

// reset makes the answer ready for the next response.
func (a *answer) reset(ev *evaluator) {
	matched, unmatched, values := a.matched, a.unmatched, a.values
	if len(matched) != len(ev.headers) {
		matched, unmatched = make([]bool, len(ev.headers)), make([]string, len(ev.headers))
	}
	if len(values) != len(ev.kept) {
		values = make([]keptValue, len(ev.kept))
	}
	lines := a.lines
	if len(lines) != len(ev.gathered) {
		lines = make([][][]byte, len(ev.gathered))
	}
	clear(lines)
	clear(matched)
	clear(unmatched)
	clear(values)
	*a = answer{body: a.body[:0], spare: a.spare, matched: matched, unmatched: unmatched, values: values, lines: lines}
}

// header records one header line.
func (a *answer) header(ev *evaluator, name, value []byte) {
	if http1.Is(name, "Retry-After") {
		a.retryAfter = retryAfter(string(value), time.Now())
	}
	if http1.Is(name, "Content-Encoding") {
		a.codings += "," + string(value)
	}
	for i := range ev.headers {
		h := &ev.headers[i]
		if a.matched[i] || !http1.Is(name, h.name) {
			continue
		}
		if a.matched[i] = h.value.Match(value); !a.matched[i] {
			a.unmatched[i] = clip(value, shownValue)
		}
	}
	for i, gathered := range ev.gathered {
		if http1.Is(name, gathered) {
			a.lines[i] = append(a.lines[i], bytes.Clone(value))
		}
	}
	for i := range ev.kept {
		if h := &ev.kept[i]; !a.values[i].found && http1.Is(name, h.name) {
			if value, ok := h.of(value); ok {
				a.values[i] = keptValue{true, bytes.Clone(value)}
			}
		}
	}
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 when it is neither, or past.
func retryAfter(value string, now time.Time) time.Duration {
	const longest = 365 * 24 * time.Hour
	value = strings.TrimSpace(value)
	if s, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(s)*time.Second, longest)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), longest)
	}
	return 0
}

// parseStatus reads 409, or 2xx.
func parseStatus(s string) (low, high int, err error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) == 3 && s[0] >= '2' && s[0] <= '5' {
		if s[1:] == "xx" {
			low = int(s[0]-'0') * 100
			return low, low + 99, nil
		}
		if n, err := strconv.ParseUint(s, 10, 16); err == nil {
			return int(n), int(n), nil
		}
	}
	return 0, 0, fmt.Errorf("%q is no status: write 200 to 599, or a class as in 2xx", s)
}

// decide sets the outcome of an attempt whose answer came whole.
func (ev *evaluator) decide(a *answer, op *drivers.Op, at *drivers.Attempt) {
	at.In = a.size
	if ev.keep {
		if err := a.decode(ev.maxBody); err != nil && ev.ok[a.status] {
			unanswered(context.Background(), at, afterHead{err})
			return
		} else if err != nil { // the status says enough
			a.body = a.body[:0]
		}
	}
	at.Answered = true
	at.Status = a.status
	at.RetryAfter = a.retryAfter
	if ev.chosen != nil && ev.chosen(op.Seq) {
		at.Answer = a.kept()
	}
	if ev.ok[a.status] {
		if why := ev.checks.Judge(a, op, at); why != "" {
			at.Fail(drivers.Indeterminate, drivers.CodeCheck, why+ev.operation(op))
			return
		}
		at.Outcome = drivers.Acked
		return
	}
	outcome := drivers.Indeterminate
	if a.status >= 300 && a.status < 500 {
		outcome = drivers.Rejected
	}
	said := a.said()
	if a.came > 0 {
		said += unendedBody
	}
	at.Fail(outcome, statusCode(a.status), said)
}

// unendedBody ends the detail of an answer whose status was enough.
const unendedBody = " (the body that follows was not awaited to its end)"

// operation names an operation, as the end of a sentence.
func (j *evaluator) operation(op *drivers.Op) string {
	if j.name == nil {
		return ""
	}
	return " (operation " + j.name(op.Seq) + ")"
}

// What a failure shows of an answer, in bytes.
const (
	shownBody  = checks.ShownBody
	shownValue = checks.ShownValue
)

// said is the status of an answer, with the start of its body.
func (a *answer) said() string {
	text := statusText(a.status)
	if a.codings != "" {
		_ = a.decode(shownBody) // as far as it goes: the body may be a part, or longer
		a.body = wholeRunes(a.body)
	}
	if len(a.body) == 0 || a.codings != "" && !utf8.Valid(a.body) {
		return text
	}
	return text + ": " + clip(a.body, shownBody)
}

// wholeRunes leaves out a rune that is cut at the end.
func wholeRunes(text []byte) []byte {
	for i := len(text) - 1; i >= max(len(text)-utf8.UTFMax, 0); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return text[:i]
			}
			break
		}
	}
	return text
}

func statusCode(status int) string {
	if s := statusCodes[status]; s != "" {
		return s
	}
	return statusPrefix + strconv.Itoa(status)
}

func statusText(status int) string {
	if s := statusTexts[status]; s != "" {
		return s
	}
	return strconv.Itoa(status)
}

// statusCodes and statusTexts hold the registered statuses, so that an attempt that met one allocates nothing.
var statusCodes, statusTexts = func() (codes, texts [1000]string) {
	for s := range codes {
		if name := http.StatusText(s); name != "" {
			codes[s], texts[s] = statusPrefix+strconv.Itoa(s), strconv.Itoa(s)+" "+name
		}
	}
	return codes, texts
}()
