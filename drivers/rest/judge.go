package rest

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"wringer/drivers"
)

// judge says what an answer means. It is read only once compiled.
type judge struct {
	ok      [1000]bool // by status
	checks  []check
	headers []headerCheck // those of checks that look at headers, in the order of answer.matched
	keep    bool          // some check looks at the body, or answers are kept
	// chosen says of which operations the answer is kept; nil: of none.
	chosen func(seq uint64) bool
}

// headerCheck holds when some header line of that name has a value that matches.
type headerCheck struct {
	name  string
	value *regexp.Regexp
}

// answer is a response as far as the judge needs it. It is reused: body is valid until the next one is read.
type answer struct {
	status     int
	size       int64  // of the body
	body       []byte // nil unless the judge keeps bodies
	matched    []bool // by headerCheck
	retryAfter time.Duration
	last       bool // the connection cannot be used again
}

// reset makes the answer ready for the next response.
func (a *answer) reset(j *judge) {
	matched := a.matched
	if matched == nil && len(j.headers) > 0 {
		matched = make([]bool, len(j.headers))
	}
	clear(matched)
	*a = answer{body: a.body[:0], matched: matched}
}

// header takes note of one header line.
func (a *answer) header(j *judge, name, value []byte) {
	if equalFold(name, "Retry-After") {
		a.retryAfter = retryAfter(string(value), time.Now())
	}
	for i := range j.headers {
		h := &j.headers[i]
		a.matched[i] = a.matched[i] || equalFold(name, h.name) && h.value.Match(value)
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

// compileJudge reads `ok` and `checks`.
func (c *Config) compileJudge(env *drivers.Env, problem func(field, message string)) *judge {
	j := &judge{}
	ok := c.OK
	if len(ok) == 0 {
		ok = []string{"2xx"}
	}
	for i, entry := range ok {
		low, high, err := parseStatus(entry)
		if err != nil {
			problem(fmt.Sprintf("ok[%d]", i), err.Error())
			continue
		}
		for s := low; s <= high; s++ {
			j.ok[s] = true
		}
	}
	if env != nil && env.Replay != nil {
		j.chosen, j.keep = env.Replay, true
	}
	for i := range c.Checks {
		j.add(&c.Checks[i], fmt.Sprintf("checks[%d]", i), env, problem)
	}
	return j
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
func (j *judge) decide(a *answer, op *drivers.Op, at *drivers.Attempt) {
	at.Answered = true
	at.RetryAfter = a.retryAfter
	if j.chosen != nil && j.chosen(op.Seq) {
		at.Answer = a.kept()
	}
	if j.ok[a.status] {
		if why := j.failing(a, op); why != "" {
			at.Fail(drivers.Indeterminate, drivers.CodeCheck, why)
			return
		}
		at.Outcome = drivers.Acked
		return
	}
	outcome := drivers.Indeterminate
	if a.status >= 300 && a.status < 500 {
		outcome = drivers.Rejected
	}
	at.Fail(outcome, statusCode(a.status), statusText(a.status))
}

// failing returns what does not hold, or nothing.
func (j *judge) failing(a *answer, op *drivers.Op) string {
	for i := range j.checks {
		if why := j.checks[i](a, op); why != "" {
			return why
		}
	}
	return ""
}

func statusCode(status int) string {
	if s := statusCodes[status]; s != "" {
		return s
	}
	return "http_" + strconv.Itoa(status)
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
			codes[s], texts[s] = "http_"+strconv.Itoa(s), strconv.Itoa(s)+" "+name
		}
	}
	return codes, texts
}()

// equalFold compares ASCII letters without case.
func equalFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
