// Package effect holds what the sources of effects share: where the fields of an effect stand, their comparison with what was sent,
// and the reading of places that are read whole.
package effect

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"wringer/drivers"
)

// Fields says where the fields of an effect stand. What a name means is the source's matter: a JSON path, a column, a group of a
// regular expression.
type Fields struct {
	ID    string            `yaml:"id" jsonschema:"required" jsonschema_description:"Where the identity stands that the operation carried as {{id}}."`
	Key   string            `yaml:"key" jsonschema_description:"Where the operation's key stands. It is compared with {{key}}, as a field of match is."`
	Count string            `yaml:"count" jsonschema_description:"Where a whole number stands that says how often the effect was applied. Default: each item is one effect."`
	Time  string            `yaml:"time" jsonschema_description:"Where the time of the effect stands, by the clock of the place: RFC 3339, or seconds or milliseconds since 1970. It dates the effect, within the time between two readings."`
	Match map[string]string `yaml:"match" jsonschema_description:"Fields that must hold what was sent: {FIELD: TEMPLATE}. A template may hold {{id}}, {{seq}}, {{key}} and {{data.NAME}}; or it is {{sent $.PATH}} alone, a field of the JSON body that was sent, drawn at random or not. An effect that differs is corrupt."`
}

// MostCount bounds the number that a Count may hold.
const MostCount = 1000

// Columns lists the names of all fields, each once.
func (f *Fields) Columns() (names []string) {
	for _, name := range append([]string{f.ID, f.Key, f.Count, f.Time}, slices.Sorted(maps.Keys(f.Match))...) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Matched says that something is compared with what was sent.
func (f *Fields) Matched() bool { return f.Key != "" || len(f.Match) > 0 }

// Check reports problems with the fields. check says what is wrong with a name, nil when it is one.
func (f *Fields) Check(check func(name string) error, problem func(field, message string)) {
	for _, at := range []struct{ field, name string }{{"id", f.ID}, {"key", f.Key}, {"count", f.Count}, {"time", f.Time}} {
		if at.name == "" {
			continue
		}
		if err := check(at.name); err != nil {
			problem(at.field, err.Error())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Match)) {
		if err := check(name); err != nil {
			problem("match", err.Error())
		} else if _, is, err := cutSent(f.Match[name]); is && err != nil {
			problem("match."+name, err.Error())
		} else if is {
			continue
		} else if _, err := compile(f.Match[name], anyColumn); err != nil {
			problem("match."+name, err.Error())
		}
	}
}

// anyColumn stands for each column of a data file before the file is read.
func anyColumn(name string) drivers.Place {
	if !strings.HasPrefix(name, "data.") {
		return nil
	}
	return func(dst []byte, _ *drivers.Env, _ *drivers.Op, _ uint64) []byte { return dst }
}

// placeName finds the name of a template's places.
var placeName = regexp.MustCompile(`\{\{\s*(?:raw\s+)?([A-Za-z_][A-Za-z0-9_.-]*)`)

// compile compiles a template of match. Places that draw at random are refused: what they draw depends on where they stand.
func compile(text string, column func(string) drivers.Place) (*drivers.Template, error) {
	for _, found := range placeName.FindAllStringSubmatch(text, -1) {
		if name := found[1]; !slices.Contains([]string{"id", "seq", "key"}, name) && !strings.HasPrefix(name, "data.") {
			return nil, fmt.Errorf("{{%s}} is not known once the operation is over; write {{id}}, {{seq}}, {{key}}, a column of the driver's data as {{data.NAME}}, or a field of the body that was sent as {{sent $.NAME}} alone", name)
		}
	}
	return drivers.Dialect{Lookup: column}.Compile(text)
}

// Reader reads effects. It is not safe for concurrent use.
type Reader struct {
	fields   Fields
	env      *drivers.Env
	identity drivers.IdentityReader
	matches  []match
	want     []byte
}

type match struct {
	field string
	want  *drivers.Template
	sent  *sent // in place of want
}

// Open prepares a reader. Its errors wrap drivers.ErrConfig.
func (f Fields) Open(env drivers.Env) (*Reader, error) {
	r := &Reader{fields: f, env: &env, identity: env.Identity.Reader()}
	add := func(field, text string) error {
		if path, is, err := cutSent(text); is {
			var from *sent
			if err == nil {
				from, err = openSent(path, &env)
			}
			if err != nil {
				return fmt.Errorf("%w: match.%s: %w", drivers.ErrConfig, field, err)
			}
			r.matches = append(r.matches, match{field: field, sent: from})
			return nil
		}
		t, err := compile(text, func(name string) drivers.Place {
			if env.Data == nil {
				return nil
			}
			return env.Data.Place(name)
		})
		if err != nil {
			return fmt.Errorf("%w: match.%s: %w", drivers.ErrConfig, field, err)
		}
		r.matches = append(r.matches, match{field: field, want: t})
		return nil
	}
	if f.Key != "" {
		if err := add(f.Key, "{{key}}"); err != nil {
			return nil, err
		}
	}
	for _, field := range slices.Sorted(maps.Keys(f.Match)) {
		if err := add(field, f.Match[field]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Field returns the text of a field of one item; false when the item has none.
type Field func(name string) (text []byte, ok bool)

// Record is one effect that was read.
type Record struct {
	ID    []byte // nil: the item has none
	Ours  bool   // the identity is of this run and stream
	Count int
	Time  time.Time // zero: the item has none
	Wrong string    // see drivers.Delivery
}

// Read reads one item. The ID is valid as long as what field returned. An error means that the item says something that cannot be
// right: no count is then known.
func (r *Reader) Read(field Field) (Record, error) {
	rec := Record{Count: 1}
	id, _ := field(r.fields.ID)
	seq, b := r.identity.Parse(id)
	rec.ID, rec.Ours = id, b == drivers.Ours
	if !rec.Ours {
		return rec, nil
	}
	var err error
	if rec.Count, err = r.count(field); err != nil {
		return rec, fmt.Errorf("%s: %w", id, err)
	}
	if rec.Time, err = r.time(field); err != nil {
		return rec, fmt.Errorf("%s: %w", id, err)
	}
	rec.Wrong = r.compare(seq, field)
	return rec, nil
}

func (r *Reader) count(field Field) (int, error) {
	if r.fields.Count == "" {
		return 1, nil
	}
	text, ok := field(r.fields.Count)
	n, err := strconv.ParseUint(string(text), 10, 64)
	switch {
	case !ok || err != nil:
		return 0, fmt.Errorf("%s holds no whole number, but %q", r.fields.Count, clip(text))
	case n > MostCount:
		return 0, fmt.Errorf("%s is %d, and the maximum is %d", r.fields.Count, n, MostCount)
	}
	return int(n), nil
}

func (r *Reader) time(field Field) (time.Time, error) {
	if r.fields.Time == "" {
		return time.Time{}, nil
	}
	text, ok := field(r.fields.Time)
	if !ok {
		return time.Time{}, fmt.Errorf("there is no %s", r.fields.Time)
	}
	return parseTime(string(text), r.fields.Time)
}

// layouts are those of times as text. Without a zone a time is in UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999-07", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"}

func parseTime(text, field string) (time.Time, error) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 1e14) { // NaN is neither
		return time.Time{}, fmt.Errorf("%s holds no time, but %q", field, clip([]byte(text)))
	}
	const latestSecond = 1e11 // larger numbers are milliseconds
	if v < latestSecond {
		v *= 1000
	}
	return time.UnixMicro(int64(v * 1000)), nil
}

// compare says how the fields differ from what was sent; empty when they do not.
func (r *Reader) compare(seq uint64, field Field) string {
	if len(r.matches) == 0 {
		return ""
	}
	op := drivers.Op{Seq: seq}
	if r.env.Keys > 0 {
		op.Key, op.Keyed = drivers.KeyOf(r.env.Seed, seq, r.env.Keys), true
	}
	var differ []string
	for _, m := range r.matches {
		if m.sent != nil {
			text, _ := m.sent.of(&op)
			r.want = append(r.want[:0], text...)
		} else {
			r.want = m.want.Append(r.want[:0], r.env, &op)
		}
		got, ok := field(m.field)
		switch {
		case !ok:
			differ = append(differ, fmt.Sprintf("%s is not there, and %q was sent", m.field, clip(r.want)))
		case !same(got, r.want):
			differ = append(differ, fmt.Sprintf("%s is %q, and %q was sent", m.field, clip(got), clip(r.want)))
		}
	}
	return strings.Join(differ, "; ")
}

// Differs says how the fields of a record differ from what was sent under its identity; empty when they do not, or when the identity
// is not of this run and stream.
func (r *Reader) Differs(id []byte, field Field) string {
	seq, b := r.identity.Parse(id)
	if b != drivers.Ours {
		return ""
	}
	return r.compare(seq, field)
}

func clip(text []byte) string {
	const most = 80
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}
