package rest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"wringer/drivers"
)

// Targets is a vegeta targets file. The operations send its requests in turn, exactly as written.
type Targets struct {
	File   string `yaml:"file" path:"file" jsonschema:"required" jsonschema_description:"The file, relative to the scenario. The files that its bodies name (@FILE) are relative to the working directory, as vegeta has it."`
	Format string `yaml:"format" jsonschema:"enum=http,enum=json" jsonschema_description:"vegeta's http or json. Default: json when the file's name ends in .json or .jsonl, else http."`
}

// maxTargets bounds the requests held in memory, as drivers.MaxFile bounds the file.
const maxTargets = 100_000

// maxTargetProblems bounds the problems of one file that are told.
const maxTargetProblems = 20

// targets compiles the requests of the file.
func (cp *compiler) targets() []compiledRequest {
	t := cp.config.Targets
	ev := cp.evaluator(cp.config.OK, cp.config.Checks)
	if t.File == "" {
		cp.problemAt("targets.file", "is missing")
	}
	if t.File == "" || !cp.readable(t.File) {
		cp.headers(&request{}, cp.config.Headers, func(string) bool { return false })
		cp.auth(&request{}, &Step{})
		return nil
	}
	all, lines, failed := t.read(cp.env.Files, cp.ready != nil)
	requests := make([]compiledRequest, 0, len(all))
	for i := range all {
		r, err := cp.target(&all[i])
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", t.place(lines, i), err))
			continue
		}
		requests = append(requests, compiledRequest{request: r, evaluator: ev})
	}
	for i, err := range failed {
		if i == maxTargetProblems {
			cp.problemAt("targets.file", fmt.Sprintf("%s has %d more problems", t.File, len(failed)-i))
			break
		}
		cp.problemAt("targets.file", err.Error())
	}
	return requests
}

// place names a target of the file in a message.
func (t *Targets) place(lines []int, target int) string {
	if target < len(lines) {
		return fmt.Sprintf("target %d of %s, line %d", target+1, t.File, lines[target])
	}
	return fmt.Sprintf("target %d of %s", target+1, t.File)
}

// read parses the file with vegeta's own parser. lines are those in which the targets begin. It returns the targets before an error.
// again says that the file is read once more later: pipes are left alone then.
func (t *Targets) read(folder string, again bool) (all []vegeta.Target, lines []int, failed []error) {
	text, err := drivers.ReadFile(drivers.ResolvePath(folder, t.File))
	if err != nil {
		return nil, nil, []error{err}
	}
	text = strings.TrimPrefix(text, byteOrderMark)
	lines, bodies := outline(text, t.json())
	for _, b := range bodies {
		pipe, err := b.check()
		if pipe && again {
			return nil, lines, nil
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("line %d of %s: %w", b.line, t.File, err))
		}
	}
	if len(failed) > 0 {
		return nil, lines, failed
	}
	next := vegeta.NewHTTPTargeter(strings.NewReader(text), nil, nil)
	if t.json() {
		next = vegeta.NewJSONTargeter(strings.NewReader(text), nil, nil)
	}
	for {
		var one vegeta.Target
		err := next(&one)
		switch {
		case errors.Is(err, vegeta.ErrNoTargets) && len(all) > 0:
			return all, lines, nil
		case errors.Is(err, vegeta.ErrNoTargets):
			return nil, nil, []error{fmt.Errorf("%s: %w", t.File, err)}
		case err != nil:
			return all, lines, []error{fmt.Errorf("%s: %w", t.place(lines, len(all)), err)}
		case len(all) == maxTargets:
			return nil, nil, []error{fmt.Errorf("%s has more than %d targets", t.File, maxTargets)}
		}
		all = append(all, one)
	}
}

// byteOrderMark may begin a text of UTF-8, and is no part of it.
const byteOrderMark = "\ufeff"

// escapeBytes escapes the bytes above 0x7f.
func escapeBytes(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (t *Targets) json() bool {
	if t.Format != "" {
		return t.Format == "json"
	}
	return strings.HasSuffix(t.File, ".json") || strings.HasSuffix(t.File, ".jsonl")
}

// checkLiteral refuses a path of a target that cannot go out as it stands. What stands in {{...}} is escaped like the rest.
func checkLiteral(path string) error {
	blank := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
	}
	if !blank(path) {
		return nil
	}
	for rest := path; ; {
		_, after, open := strings.Cut(rest, "{{")
		inside, next, closed := strings.Cut(after, "}}")
		if !open || !closed {
			return errors.New("a blank or control character in the URL: write %20")
		}
		if blank(inside) {
			return fmt.Errorf("{{%s}} in the URL: targets are sent as they stand, without templates; write request or steps in place of targets, "+
				"or %%20 for a blank", clip(inside, 40))
		}
		rest = next
	}
}

// target compiles the request of one target. {{...}} in it has no meaning.
func (cp *compiler) target(t *vegeta.Target) (*request, error) {
	l, err := parseRequestLine(t.Method + " " + t.URL)
	if err != nil {
		return nil, err
	}
	if err := checkLiteral(l.path); err != nil {
		return nil, err
	}
	l.path = escapeBytes(l.path)
	credentials := ""
	l.host, credentials, err = cutCredentials(l.host)
	if err != nil {
		return nil, err
	}
	if err := l.checkURL(); err != nil {
		return nil, err
	}
	r := &request{line: l, path: texts{{literal: l.path}}, close: !cp.config.reuse(), env: cp.env}
	if len(t.Body) > 0 {
		r.body = texts{{literal: string(t.Body)}}
	}
	own := make([]string, 0, len(t.Header))
	for name := range t.Header {
		own = append(own, name)
	}
	slices.Sort(own)
	for _, name := range own {
		if strings.EqualFold(name, "Content-Length") {
			continue // the driver sets the same header itself
		}
		for _, value := range t.Header[name] {
			if handled, err := cp.ofConnection(r, name, value); err != nil {
				return nil, err
			} else if handled {
				continue
			}
			if err := checkHeader(name, value); err != nil {
				return nil, fmt.Errorf("header %s: %w", name, err)
			}
			r.add(name, text{template: drivers.Literal(value)})
		}
	}
	cp.headers(r, cp.config.Headers, func(name string) bool { return r.names(name) })
	if !r.names("Authorization") && credentials != "" {
		r.add("Authorization", text{template: drivers.Literal("Basic " + credentials)})
	}
	if !r.names("Authorization") {
		cp.auth(r, &Step{})
	}
	return r, nil
}

// cutCredentials takes user and password off the front of a target's host. credentials is their text in a header (RFC 7617).
func cutCredentials(host string) (bare, credentials string, err error) {
	at := strings.LastIndexByte(host, '@')
	if at < 0 {
		return host, "", nil
	}
	user, password, _ := strings.Cut(host[:at], ":")
	for _, part := range []*string{&user, &password} {
		if *part, err = url.PathUnescape(*part); err != nil {
			return "", "", fmt.Errorf("user and password in the URL: %w", err)
		}
	}
	return host[at+1:], base64.StdEncoding.EncodeToString([]byte(user + ":" + password)), nil
}

// ofConnection reads the headers of a target that are about its connection. Connection: close ends the connection after the answer.
// Expect: 100-continue goes out as it stands; the body follows at once, as vegeta sends it.
func (cp *compiler) ofConnection(r *request, name, value string) (handled bool, err error) {
	switch lower := strings.ToLower(strings.TrimSpace(value)); {
	case strings.EqualFold(name, "Connection") && lower == "close":
		r.close = true
	case strings.EqualFold(name, "Connection") && lower == "keep-alive":
	case strings.EqualFold(name, "Connection"):
		return false, fmt.Errorf("header Connection: %s: write close or keep-alive", clip(value, 40))
	case strings.EqualFold(name, "Expect") && lower == "100-continue":
		r.add(name, text{template: drivers.Literal("100-continue")})
	default:
		return false, nil
	}
	return true, nil
}
