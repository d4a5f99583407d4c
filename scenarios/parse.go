package scenarios

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/reports/metric"
)

// Options are the inputs of Parse beside the file.
type Options struct {
	// Set gives ${name} its value: the command's --set.
	Set map[string]string
	// Environment is the name of the one of environments whose values replace those of vars; empty: none.
	Environment string
	// Env looks ${env.NAME} up; nil knows none. Its values are secrets: see Scenario.Redact.
	Env func(string) (string, bool)
	// Locate is asked before a Located target of a kind reads its files: an error refuses it. It returns the environment that the
	// files may use, as NAME=value. Nil lets any target read, with the whole environment.
	Locate func(kind string) (environ []string, err error)
	// Include reads a file that the scenario includes; nil: as the system does. An error refuses it.
	Include func(path string) ([]byte, error)
	// Change gives one key of a fault another value than the file has; nil: none.
	Change *Change
	// Files has Parse open what a scenario with problems names, as CheckFiles does, to tell those problems too.
	Files bool
}

// Parse reads a scenario strictly. Every error is a Problems that holds all problems of the file. path names the file in
// messages. In the texts of drivers and effects the target's variables remain, until Resolve.
func Parse(path string, src []byte, lang Language, opts Options) (*Scenario, error) {
	catalogue, err := lang.Catalogue()
	if err != nil {
		return nil, err
	}
	r := newReader(path, lang, opts)
	r.catalogue = catalogue
	s := &Scenario{Path: path, Source: bytes.Clone(src), Settings: maps.Clone(opts.Set), Metrics: catalogue, Checks: lang.Checks}
	if root := readDocument("", src, r.at); root != nil {
		r.include(root, s, opts.Include)
		r.change(root, opts.Change)
		r.fileVariables(root, opts.Environment)
		r.scenario(root, s)
	}
	s.redactor = newRedactor(r.vars.secrets, r.vars.hidden)
	for _, text := range r.vars.hidden {
		s.Source = bytes.ReplaceAll(s.Source, []byte(text), []byte(concealed(text)))
	}
	if len(r.problems) > 0 {
		if opts.Files {
			_, found := s.checkFiles(r.unsound)
			r.problems = append(r.problems, found...)
		}
		return nil, r.redacted(s, r.problems)
	}
	s.warnings = r.redacted(s, r.warnings(s))
	if s.Target != nil || len(s.Links) > 0 || s.called() {
		return s, nil
	}
	// Without a target, links and places that the target calls no variable is left to wait for.
	return s.Resolve(nil)
}

// reader reads one scenario.
type reader struct {
	decoder
	lang Language
	// catalogue holds the metrics of lang.
	catalogue *metric.Catalogue
	// root and the streams' nodes place the problems of what was read.
	root    *node
	streams []*node
	names   []*node
	// longer is by how much a change makes the run longer than the file says.
	longer time.Duration
	// blurred: the plan has problems, so that its windows are unknown.
	blurred bool
}

func newReader(path string, lang Language, opts Options) *reader {
	vars := &variables{set: opts.Set, given: opts.Set, env: opts.Env, used: make(map[string]bool), secrets: make(map[string]string)}
	locate := opts.Locate
	if locate == nil {
		locate = func(string) ([]string, error) { return os.Environ(), nil }
	}
	return &reader{decoder: decoder{file: path, vars: vars, locate: locate}, lang: lang}
}

// redacted keeps secrets out of messages that quote the scenario.
func (r *reader) redacted(s *Scenario, ps Problems) Problems {
	for i := range ps {
		ps[i].Message = s.Redact(ps[i].Message)
	}
	return ps.tidy(r.file)
}

// scenario reads the whole file. The target comes first: its variables may occur in everything that follows. The gates come
// last: they are checked against everything before them.
func (r *reader) scenario(root *node, s *Scenario) {
	r.root = root
	elsewhere := open{}
	for _, key := range []string{"target", "links", "traffic", "observe", "faults", "phases", "abort", "expect"} {
		elsewhere[key] = func(field) {}
	}
	r.linkNames(root.get("links"))
	r.listenerNames(root.get("traffic"))
	if n := root.get("target"); n != nil {
		r.target(n, s)
	}
	r.table(root, "scenario", reflect.ValueOf(s).Elem(), elsewhere)
	if root.kind != table {
		return
	}
	s.Run.Duration += r.longer
	r.checkTiming(s)
	links := root.get("links")
	if links != nil {
		r.links(links, s)
	}
	if n := root.get("traffic"); n != nil {
		r.traffic(n, s)
	}
	if links != nil {
		r.checkLinkNames(links, s)
	}
	r.checkOverheard(s)
	if n := root.get("observe"); n != nil {
		r.observe(n, s)
	}
	if n := root.get("faults"); n != nil {
		r.plan(n, s)
	}
	r.checkLocalAddrs(s)
	r.checkTraceURL(s)
	if n := root.get("phases"); n != nil {
		r.phases(n, s)
	}
	r.stepNames(s)
	if n := root.get("abort"); n != nil {
		r.abort(n, s)
	}
	if n := root.get("expect"); n != nil {
		r.expect(n, s)
	}
}

// one reads a table that holds exactly one of several keys, and returns that field.
func (d *decoder) one(n *node, name string, keys []string) (field, bool) {
	if n.kind != table {
		d.problem(n, "%s: expects a table with one key (%s), found %s", name, strings.Join(keys, ", "), n.words())
		return field{}, false
	}
	var chosen []field
	for _, f := range n.fields {
		if slices.Contains(keys, f.key.text) {
			chosen = append(chosen, f)
		} else {
			d.problem(f.key, "%s: unknown key %s; %s", name, quote(f.key.text), choices(f.key.text, keys))
		}
	}
	if len(chosen) == 0 && len(n.fields) == 0 || len(chosen) > 1 {
		d.problem(n, "%s: takes exactly one key of %s", name, strings.Join(keys, ", "))
	}
	if len(chosen) == 0 {
		return field{}, false
	}
	return chosen[0], true
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// checker has the methods of every configuration.
type checker interface {
	Check(problem func(field, message string))
}

// config decodes one configuration of the open language, a pointer to a struct or to a map of them. The configuration then
// checks itself.
func (d *decoder) config(n *node, name string, c checker) (ok bool) {
	before := len(d.problems)
	defer d.hide(c)
	if v := reflect.ValueOf(c).Elem(); v.Kind() == reflect.Map {
		d.mapping(n, name, v)
	} else {
		d.table(n, name, v, nil)
	}
	if len(d.problems) == before {
		d.check(n, name, c)
	}
	if len(d.problems) == before {
		return true
	}
	d.unsound = append(d.unsound, placed{name: name, node: n, config: c})
	return false
}

// hide keeps texts of a configuration that no record may hold.
func (d *decoder) hide(c checker) {
	if s, ok := c.(drivers.Secretive); ok && d.vars != nil {
		d.vars.hidden = append(d.vars.hidden, s.Secrets()...)
	}
}

// check lets a configuration check itself, and places its problems.
func (d *decoder) check(n *node, name string, c checker) {
	if located, ok := c.(Located); ok {
		environ, err := d.locate(name)
		if err != nil {
			d.problem(n, "%s: %v", name, err)
			return
		}
		located.Locate(filepath.Dir(d.file), environ)
	}
	c.Check(func(path, message string) {
		if path != "" {
			message = path + ": " + message
		}
		d.problem(n.find(path), "%s: %s", name, message)
	})
}

// find returns the node at a path such as headers.Content-Type or checks[1].json, or the nearest one above it.
func (n *node) find(path string) *node {
	path = strings.TrimPrefix(strings.NewReplacer("[", ".", "]", "").Replace(path), ".")
	if path == "" {
		return n
	}
	if v := n.get(path); v != nil {
		return v
	}
	head, rest, _ := strings.Cut(path, ".")
	if v := n.get(head); v != nil {
		return v.find(rest)
	}
	for i, item := range n.items {
		if fmt.Sprint(i) == head {
			return item.find(rest)
		}
	}
	return n
}

// target reads `target: {shop: {...}}`.
func (r *reader) target(n *node, s *Scenario) {
	r.vars.anyLate = true // until the target is known, its variables are unknown
	f, ok := r.one(n, "target", sortedKeys(r.lang.Targets))
	if !ok {
		return
	}
	config := r.lang.Targets[f.key.text]()
	reserving, ok := config.(Reserving)
	r.vars.anyLate = ok
	var sound bool
	r.lateTexts(func() { sound = r.config(f.value, f.key.text, config) }) // its names are valid even if it has problems
	r.vars.anyLate = false
	s.TargetName, s.Target, s.targetAt = f.key.text, config, f.value
	if ok && sound {
		r.checkReserved(f, reserving)
	}
	for _, name := range config.Variables() {
		r.vars.late = append(r.vars.late, VariablePrefix(s.TargetName, config)+name)
	}
}

// checkReserved checks the variables in the target's own texts: only those known before its start are allowed.
func (r *reader) checkReserved(f field, c Reserving) {
	known := make(map[string]string)
	for _, name := range r.vars.late { // the links' addresses
		known[name] = ""
	}
	for _, name := range c.Reserved() {
		known[VariablePrefix(f.key.text, c)+name] = ""
	}
	trial := resolver{decoder{file: r.file}, known, false}
	trial.fill(reflect.ValueOf(&c).Elem(), f.value, f.key.text)
	r.problems = append(r.problems, trial.problems...)
}

// Names occur in gates, identities and windows, between dots and blanks.
var (
	scenarioName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	streamName   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,49}$`)
	faultName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$`)
)

// traffic reads the streams, in the order of the file.
func (r *reader) traffic(n *node, s *Scenario) {
	if n.kind != table {
		r.problem(n, "traffic: expects a table of streams by name, found %s", n.words())
		return
	}
	switch {
	case len(n.fields) == 0:
		r.problem(n, "traffic: holds no stream")
	case len(n.fields) > MaxStreams:
		r.problem(n, "traffic: %d streams; the maximum is %d", len(n.fields), MaxStreams)
		return
	}
	for _, f := range n.fields {
		if !streamName.MatchString(f.key.text) {
			r.problem(f.key, "%s is no name of a stream: write small letters, digits, - and _, a letter first, at most 50", quote(f.key.text))
		}
		r.names, r.streams = append(r.names, f.key), append(r.streams, f.value)
		s.Traffic = append(s.Traffic, r.stream(f))
	}
	for i := range s.Traffic {
		if s.Traffic[i].Consume != nil {
			r.checkConsume(r.streams[i], &s.Traffic[i], s)
			continue
		}
		r.checkStream(r.names[i], r.streams[i], &s.Traffic[i])
		if rate := s.Traffic[i].Rate; rate != nil && rate.Ramp != nil {
			setDefault(&rate.Ramp.Over, s.Run.Duration)
		}
	}
}

// stream reads one stream: its own keys, one driver, and effects.
func (r *reader) stream(f field) Stream {
	s := Stream{Name: f.key.text}
	elsewhere := open{"effects": func(f field) { r.effects(f.value, &s) }, "consume": func(f field) { r.consume(f.value, &s) }}
	for name := range r.lang.Drivers {
		elsewhere[name] = func(f field) { r.driver(f, &s) }
	}
	r.table(f.value, s.Name, reflect.ValueOf(&s).Elem(), elsewhere)
	if s.DriverName == "" && s.Consume == nil && f.value.kind == table {
		r.problem(f.key, "%s: no driver; give one of %s; or consume, to send nothing", s.Name, strings.Join(sortedKeys(r.lang.Drivers), ", "))
	}
	return s
}

func (r *reader) driver(f field, s *Stream) {
	if s.DriverName != "" {
		r.problem(f.key, "%s: has %s already; a stream has one driver", s.Name, s.DriverName)
		return
	}
	config := r.lang.Drivers[f.key.text]()
	s.DriverName, s.driverAt = f.key.text, f.value
	r.lateTexts(func() {
		if r.config(f.value, f.key.text, config) {
			s.Driver = config
		}
	})
}

// gateText is the text of a gate. A threshold of k6 without quotes is a table of one key: {orders.http_req_failed: rate<0.01}.
func (r *reader) gateText(n *node) (text string, ok bool) {
	if n.kind == table && len(n.fields) == 1 && n.fields[0].value.kind == scalar {
		rest, _, ok := r.text(n.fields[0].value, "expect", "k6's threshold such as rate<0.01")
		return n.fields[0].key.text + ": " + rest, ok
	}
	text, _, ok = r.text(n, "expect", "a gate such as orders.errors < 1%")
	return text, ok
}

// expect reads the gates.
func (r *reader) expect(n *node, s *Scenario) {
	if n.kind != list {
		r.problem(n, "expect: expects a list of gates such as orders.errors < 1%%, found %s", n.words())
		return
	}
	parser := gateParser{catalogue: r.catalogue, gauges: func(stream string) (gauges, bool) { return gaugesOf(s, stream) }}
	for _, item := range n.items {
		text, ok := r.gateText(item)
		if !ok {
			continue
		}
		if r.capacityGate(item, text, s) {
			continue
		}
		g, err := parser.parse(text)
		if err != nil {
			r.problem(item, "%v", err)
			continue
		}
		g.at = item.place
		r.checkGate(item, &g, s)
		s.Expect = append(s.Expect, g)
	}
}
