package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wringer/drivers"
	"wringer/faults/amqplink"
	"wringer/faults/command"
	"wringer/faults/httplink"
	"wringer/faults/kafkalink"
	"wringer/faults/part"
	"wringer/faults/toxi"
	"wringer/faults/toxiproxy"
	"wringer/scenarios"
	"wringer/scenarios/processes"
)

// restriction is what the flags let a scenario of others do.
type restriction struct {
	on    bool
	grant []string
	allow *[]string // hosts
	// given are values of the environment that the command line itself gives: secrets out of a URL.
	given map[string]string
	// environment is the scenario's one that --env names; empty: none.
	environment string
	// asked are the names of the environment that scenarios asked for.
	asked []string
	// unread are the kinds of targets whose files were not read.
	unread []string
	// folder is the scenario's own, outside are included files that lie elsewhere.
	folder  string
	outside []string
}

func (r *restriction) flags(cmd *cobra.Command, allow *[]string) {
	r.allow = allow
	cmd.Flags().StringVar(&r.environment, "env", "", "the scenario's environment of that `NAME`, which gives its vars other values")
	cmd.Flags().BoolVar(&r.on, "restrict", false, "refuse whatever a scenario could do beyond sending to this machine: for scenarios that others wrote")
	cmd.Flags().StringArrayVar(&r.grant, "grant", nil, "with --restrict: let the scenario use `WHAT`: a kind that runs something (exec, processes), env.NAME, or the path of a file or folder; may be repeated")
}

// check finds flags that say nothing.
func (r *restriction) check() error {
	if !r.on && len(r.grant) > 0 {
		return usage("--grant goes with --restrict")
	}
	return nil
}

// env looks an environment variable up, where the flags allow it.
func (r *restriction) env(name string) (string, bool) {
	if value, ok := r.given[name]; ok {
		return value, true
	}
	if !slices.Contains(r.asked, name) {
		r.asked = append(r.asked, name)
	}
	if r.on && !slices.Contains(r.grant, "env."+name) {
		return "", false
	}
	return os.LookupEnv(name)
}

// link refuses a scenario that is a link to another file, which messages would quote.
func (r *restriction) link(path string) error {
	if at, err := os.Lstat(path); !r.on || err != nil || at.Mode()&os.ModeSymlink == 0 {
		return nil
	}
	leads, err := resolved(path)
	if err != nil || r.granted(ability{verb: "read", grant: "--grant " + leads}) {
		return nil // reading tells what is wrong
	}
	return refused([]error{fmt.Errorf("scenario %s is a link to %s: add --grant %s if it may be read", path, leads, leads)})
}

// locate refuses a target that reads its files while the scenario is parsed, unless it is granted: messages about such files
// quote them. The files see those environment variables that the flags allow.
func (r *restriction) locate(kind string) (environ []string, err error) {
	if !r.on {
		return os.Environ(), nil
	}
	if !slices.Contains(r.grant, kind) && !slices.Contains(harmlessTargets, kind) {
		r.unread = append(r.unread, kind)
		return nil, fmt.Errorf("was not read: add --grant %s if it may", kind)
	}
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); slices.Contains(r.grant, "env."+name) {
			environ = append(environ, pair)
		}
	}
	return environ, nil
}

// include reads a file that the scenario includes, where the flags allow it: problems quote such files.
func (r *restriction) include(path string) ([]byte, error) {
	if r.on && !inFolder(r.folder, path) && !r.granted(ability{verb: "read", grant: "--grant " + path}) {
		r.outside = append(r.outside, path)
		return nil, fmt.Errorf("%s lies outside of the scenario's folder", path)
	}
	text, err := drivers.ReadFile(path)
	return []byte(text), err
}

// refusedReads names what a scenario asked for while it was parsed, and did not get.
func (r *restriction) refusedReads() error {
	var failed []error
	for _, name := range r.asked {
		if r.on && !slices.Contains(r.grant, "env."+name) {
			failed = append(failed, fmt.Errorf("the scenario reads the environment variable %s: add --grant env.%s if it may", name, name))
		}
	}
	for _, path := range r.outside {
		failed = append(failed, fmt.Errorf("the scenario includes %s: add --grant %s if it may", path, path))
	}
	for _, kind := range r.unread {
		failed = append(failed, fmt.Errorf("target would use %s: add --grant %s if it may", kind, kind))
	}
	return refused(failed)
}

func refused(failed []error) error {
	if len(failed) == 0 {
		return nil
	}
	return usage("--restrict: %w", errors.Join(failed...))
}

// ability is one thing that a scenario could do beyond sending to this machine.
type ability struct {
	verb  string // run, read, listen, use
	what  string
	where string
	grant string // the flag that lets it
	free  bool   // it needs no flag
}

// The targets and the keys of a scenario that run, mount and read nothing themselves. Any other must be granted.
var (
	harmlessTargets = []string{"shop"}
	harmlessKeys    = []string{"name", "about", "seed", "include", "vars", "environments", "target", "run", "links", "phases", "traffic", "observe", "faults", "abort", "expect"}
)

// abilities lists what a scenario could do beyond sending to this machine.
func abilities(sc *scenarios.Scenario) []ability {
	all := slices.Concat(targetAbilities(sc), faultAbilities(sc), unknownParts(sc), fileAbilities(sc))
	for i := range sc.Links {
		l := &sc.Links[i]
		host, _, err := net.SplitHostPort(l.ListenAddress())
		if err != nil || !loopback(host) {
			all = append(all, ability{verb: "listen", what: l.ListenAddress(), where: "link " + l.Name, grant: "--allow " + host})
		}
	}
	for i := range sc.Traffic {
		for _, p := range sc.Traffic[i].Places {
			c, ok := p.Source.(drivers.Listening)
			if !ok || c.ListenAddress() == "" {
				continue
			}
			if host, _, err := net.SplitHostPort(c.ListenAddress()); err != nil || !loopback(host) {
				all = append(all, ability{verb: "listen", what: c.ListenAddress(), where: "stream " + sc.Traffic[i].Name + ": " + p.Title(), grant: "--allow " + host})
			}
		}
	}
	return all
}

func targetAbilities(sc *scenarios.Scenario) (all []ability) {
	if sc.Target == nil || slices.Contains(harmlessTargets, sc.TargetName) {
		return nil
	}
	grant := "--grant " + sc.TargetName
	programs, ok := sc.Target.(*processes.Config)
	if !ok {
		return []ability{{verb: "use", what: sc.TargetName, where: "target", grant: grant}}
	}
	for _, name := range programs.PartNames() {
		all = append(all, ability{verb: "run", what: strings.Join((*programs)[name].Command, " "), where: "process " + name, grant: grant})
	}
	return all
}

func faultAbilities(sc *scenarios.Scenario) (all []ability) {
	for _, f := range sc.Breaks() {
		switch f.Config.(type) {
		case *toxi.Config, *toxiproxy.Config, *kafkalink.FaultConfig, *amqplink.Config, *httplink.Config, *part.Config:
			continue // of links, servers and parts that the scenario may use anyway
		}
		kind := f.Config.Kind()
		grant, where := "--grant "+kind, "fault "+f.Name
		c, ok := f.Config.(*command.Config)
		if !ok {
			all = append(all, ability{verb: "use", what: kind, where: where, grant: grant})
			continue
		}
		for _, words := range [][]string{c.Exec, c.Undo, c.Bites, c.Gone} {
			if len(words) > 0 {
				all = append(all, ability{verb: "run", what: strings.Join(words, " "), where: where, grant: grant})
			}
		}
	}
	return all
}

// unknownParts lists the parts of a scenario about which nothing is known here.
func unknownParts(sc *scenarios.Scenario) (all []ability) {
	v := reflect.ValueOf(sc).Elem()
	for i := range v.NumField() {
		key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if key != "" && key != "-" && !slices.Contains(harmlessKeys, key) && !v.Field(i).IsZero() {
			all = append(all, ability{verb: "use", what: key, where: "scenario", grant: "--grant " + key})
		}
	}
	return all
}

// fileAbilities lists the files that a scenario names, those in its own folder too.
func fileAbilities(sc *scenarios.Scenario) (all []ability) {
	folder := filepath.Dir(sc.Path)
	for _, f := range sc.Files() {
		verb := "read"
		if f.Kind == "socket" {
			verb = "dial"
		}
		all = append(all, ability{verb: verb, what: f.Path, where: f.At, grant: "--grant " + f.Path, free: inFolder(folder, f.Path)})
		if strings.HasSuffix(f.At, ".targets.file") && inFolder(folder, f.Path) {
			all = append(all, bodiesOf(folder, f)...)
		}
	}
	return all
}

// bodiesOf lists the files that the targets of a vegeta file name, relative to the working directory.
func bodiesOf(folder string, f scenarios.File) (all []ability) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil // the run says so
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if path, is := strings.CutPrefix(strings.TrimSpace(lines.Text()), "@"); is {
			all = append(all, ability{verb: "read", what: path, where: f.At, grant: "--grant " + path, free: inFolder(folder, path)})
		}
	}
	return all
}

// inFolder says whether a path lies in a folder, with all links followed. A path that nobody knows yet does not.
func inFolder(folder, path string) bool {
	if strings.Contains(path, "${") {
		return false
	}
	root, err := resolved(folder)
	if err != nil {
		return false
	}
	whole, err := resolved(path)
	if err != nil {
		return false
	}
	below, err := filepath.Rel(root, whole)
	return err == nil && filepath.IsLocal(below)
}

// resolved is a path with its links followed. Of a path that is not there the folder's are.
func resolved(path string) (string, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(whole)
	if errors.Is(err, os.ErrNotExist) {
		if at, failed := os.Lstat(whole); failed == nil && at.Mode()&os.ModeSymlink != 0 {
			return "", err // it leads to nothing yet
		}
		parent, err := filepath.EvalSymlinks(filepath.Dir(whole))
		return filepath.Join(parent, filepath.Base(whole)), err
	}
	return real, err
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// admit refuses a scenario that could do more than the flags let it.
func (r *restriction) admit(sc *scenarios.Scenario) error {
	if !r.on {
		return nil
	}
	var failed []error
	for _, a := range abilities(sc) {
		if !a.free && !r.granted(a) {
			failed = append(failed, fmt.Errorf("%s would %s %s: add %s if it may", a.where, a.verb, a.what, a.grant))
		}
	}
	return refused(failed)
}

func (r *restriction) granted(a ability) bool {
	flag, name, _ := strings.Cut(a.grant, " ")
	if flag == "--allow" {
		return slices.Contains(*r.allow, name)
	}
	for _, g := range r.grant {
		if g == name || (a.verb == "read" || a.verb == "dial") && (sameFile(g, name) || inFolder(g, name)) {
			return true
		}
	}
	return false
}

// tellAbilities prints what a scenario could do.
func (r *restriction) tellAbilities(w io.Writer, sc *scenarios.Scenario) {
	fmt.Fprintln(w, "\nable to")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, a := range abilities(sc) {
		flag := a.grant
		if a.free {
			flag = ""
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", a.verb, a.what, a.where, flag)
	}
	for _, name := range r.asked {
		fmt.Fprintf(table, "  read\t${env.%s}\tscenario\t--grant env.%s\n", name, name)
	}
	reach := "this machine and private networks"
	if r.on {
		reach = "this machine"
	}
	fmt.Fprintf(table, "  send\tto %s\tscenario\t--allow HOST for others\n", reach)
	table.Flush()
}
