package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/reports/samples"
)

// outputs are the files that a command's flags name. Each is replaced before anything starts, so that a file of an earlier run
// never stands for this one; a command that ends without a record writes why into each.
type outputs struct {
	std    streams
	name   string // of what the command works on
	files  map[string]*string
	stdout bool               // - is stdout for the flags of extra too
	extra  map[string]*string // flags of files that are no rendering of the record: a command that ends without one empties them
	keep   map[string]bool    // flags whose file must not be touched
	// unanswered is what the file of an extra flag holds when the command ends without an answer; nil: nothing.
	unanswered func(flag string, run *reports.Run) ([]byte, error)
	words      []string // of the command line, apart from the outputs: any may name a file that the command reads
	// record is what was rendered; nil: nothing was.
	record *reports.Record
	// several holds the records so far of a command that makes more than one, which share each output; nil: it makes one.
	several *several
}

// newOutputs gives a command one flag a report format. extra holds its other flags that name files to write. Whatever way the
// command ends, its outputs say so: call it once the command has its Args and RunE.
func newOutputs(cmd *cobra.Command, std streams, extra map[string]*string) *outputs {
	return outputsOf(cmd, std, formatFlags(cmd), extra)
}

// newAnswer is newOutputs for a command whose only outputs are no renderings of a record.
func newAnswer(cmd *cobra.Command, std streams, extra map[string]*string) *outputs {
	files := make(map[string]*string)
	for _, format := range formats {
		files[format.name] = new("")
	}
	o := outputsOf(cmd, std, files, extra)
	o.stdout = true
	return o
}

func outputsOf(cmd *cobra.Command, std streams, files, extra map[string]*string) *outputs {
	o := &outputs{std: std, files: files, extra: extra, keep: make(map[string]bool)}
	check, run := cmd.Args, cmd.RunE
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		o.name = cmd.Name()
		line := commandLine(cmd.Context())
		o.words, _ = o.split(line.args)
		if line.answer != nil {
			return o.told(line.answer)
		}
		return o.told(check(cmd, args))
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.told(run(cmd, args)) }
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		o.name = cmd.Name()
		line := commandLine(cmd.Context())
		words, named := o.split(line.args)
		o.words = words
		for name, path := range named {
			*o.all()[name] = path
		}
		_ = o.check() // marks what must not be touched
		if line.answer != nil {
			return o.told(line.answer)
		}
		return o.told(usage("%w; see wringer %s --help", err, cmd.Name()))
	})
	return o
}

// lineKey is the key of the command line in a context.
type lineKey struct{}

func commandLine(ctx context.Context) bridged {
	if ctx == nil {
		return bridged{}
	}
	line, _ := ctx.Value(lineKey{}).(bridged)
	return line
}

// split divides a command line into the outputs that it names, by their flags, and the other words. Of a word like name=@FILE the
// parts count as words too.
func (o *outputs) split(line []string) (words []string, named map[string]string) {
	named = make(map[string]string)
	all := o.all()
	for i := 0; i < len(line); i++ {
		name, value, joined := strings.Cut(strings.TrimPrefix(line[i], "--"), "=")
		if !strings.HasPrefix(line[i], "--") || all[name] == nil {
			words = append(append(words, line[i]), strings.FieldsFunc(line[i], func(r rune) bool { return r == '@' || r == '=' })...)
			continue
		}
		if !joined && i+1 < len(line) {
			i++
			value = line[i]
		}
		named[name] = value
	}
	return words, named
}

// all are the outputs by their flags.
func (o *outputs) all() map[string]*string {
	all := make(map[string]*string)
	for _, flags := range []map[string]*string{o.files, o.extra} {
		for name, path := range flags {
			all[name] = path
		}
	}
	return all
}

// named lists the flags that name a file, in a fixed order.
func (o *outputs) named() []string {
	var names []string
	for name, path := range o.all() {
		if *path != "" && (*path != "-" || o.extra[name] != nil && !o.stdout) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// check finds outputs that cannot be written, and such that would overwrite each other.
func (o *outputs) check() error {
	var failed []error
	paths := o.all()
	names := o.named()
	for i, name := range names {
		path := *paths[name]
		if err := checkName(name, path); err != nil {
			o.keep[name] = true
			failed = append(failed, err)
			continue
		}
		for _, other := range names[:i] {
			if !o.keep[other] && !special(path) && sameFile(path, *paths[other]) {
				failed = append(failed, usage("--%s and --%s name the same file, %s: name two", other, name, path))
			}
		}
	}
	failed = append(failed, o.reads(o.words...))
	return errors.Join(failed...)
}

// checkName wants a path to be one of a file that can be made.
func checkName(flag, path string) error {
	if err := noJSON(flag, path); err != nil {
		return err
	}
	if flag == "samples" {
		if err := samples.CheckName(path); err != nil {
			return usage("--samples %s: %w", path, err)
		}
	}
	folder := filepath.Dir(path)
	if at, err := os.Stat(folder); err != nil || !at.IsDir() {
		return usage("--%s %s: there is no folder %s", flag, path, folder)
	}
	if at, err := os.Stat(path); err == nil && at.IsDir() {
		return usage("--%s %s is a folder: name a file", flag, path)
	}
	return nil
}

// noJSON refuses a name that is meant as a body: curl's --json takes one, or @FILE.
func noJSON(flag, path string) error {
	looks := ""
	switch text := strings.TrimSpace(path); {
	case text == "":
		return nil
	case strings.Contains(`{["`, text[:1]):
		looks = "like JSON"
	case text[0] == '@':
		looks = "like a file to send"
	default:
		return nil
	}
	return usage("--%s %s: the flag names a file to write, and this looks %s: a body goes with -d '%s', a file of that name is ./%s", flag, path, looks, path, path)
}

// reads refuses outputs that are among the files which the command reads, and leaves those as they are.
func (o *outputs) reads(paths ...string) error {
	var failed error
	all := o.all()
	for _, name := range o.named() {
		for _, path := range paths {
			if !o.keep[name] && sameFile(*all[name], path) && !special(path) {
				o.keep[name] = true
				failed = errors.Join(failed, usage("--%s %s would overwrite a file that the command reads: name another", name, *all[name]))
			}
		}
	}
	return failed
}

// readsTexts is reads for all words of a text that could not be read as a scenario: any may name a file.
func (o *outputs) readsTexts(folder string, src []byte) error {
	var paths []string
	for _, word := range bytes.FieldsFunc(src, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"',{}[]", r) }) {
		path := string(word)
		paths = append(paths, path, filepath.Join(folder, path))
	}
	return o.reads(paths...)
}

// sameFile says whether two paths lead to one file, or would.
func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err == nil {
		second, err := os.Stat(b)
		return err == nil && os.SameFile(first, second)
	}
	x, errX := filepath.Abs(a)
	y, errY := filepath.Abs(b)
	return errX == nil && errY == nil && x == y
}

// special says whether a path is no file to replace: a pipe, a device, or a name of a descriptor.
func special(path string) bool {
	if whole, err := filepath.Abs(path); err == nil && (strings.HasPrefix(whole, "/dev/") || strings.HasPrefix(whole, "/proc/")) {
		return true
	}
	at, err := os.Stat(path)
	return err == nil && !at.Mode().IsRegular()
}

// begin replaces every file by one that says that the run did not end. A pipe or a device waits for the end.
func (o *outputs) begin(name string) error {
	o.name = name
	all := o.all()
	for _, flag := range o.named() {
		if path := *all[flag]; !special(path) {
			if err := o.replace(flag, unended(name, reports.ExitHarness, "the run did not end: it was killed, or it still goes on")); err != nil {
				o.keep[flag] = true
				return usage("--%s %s cannot be written: %w", flag, path, err)
			}
		}
	}
	return nil
}

// replace writes a record into the file of a flag.
func (o *outputs) replace(flag string, rec *reports.Record) error {
	for _, format := range formats {
		if format.name == flag && o.extra[flag] == nil {
			return writeOutput(*o.files[flag], rec, o.several.render(&format))
		}
	}
	path := *o.extra[flag]
	var text []byte
	if o.unanswered != nil {
		var err error
		if text, err = o.unanswered(flag, rec.Run); err != nil {
			return err
		}
	}
	if special(path) && len(text) == 0 {
		return nil
	}
	return writeBytes(path, text)
}

// writeBytes writes a file that appears whole or not at all; what is no file is written to.
func writeBytes(path string, b []byte) error {
	if special(path) {
		return writeSpecial(path, b)
	}
	return reports.WriteFile(path, b)
}

// told writes the reason of a command that ended without a verdict into its outputs.
func (o *outputs) told(err error) error {
	var e exit
	if !errors.As(err, &e) || !slices.Contains([]int{reports.ExitUsage, reports.ExitHarness, reports.ExitInterrupted}, e.code) || e.err == nil && o.record != nil {
		return err
	}
	why := e.Error()
	if why == "" && e.told != nil {
		why = strings.TrimSpace(e.told.Error())
	} else if why == "" {
		why = "the scenario has errors: wringer check names them"
	}
	rec := unended(o.name, e.code, why)
	if o.record != nil {
		rec = withFailure(o.record, e.code, why)
	}
	for _, flag := range o.named() {
		told := strings.Contains(why, unwrittenTo(flag))
		if told || o.keep[flag] || checkName(flag, *o.all()[flag]) != nil || o.extra[flag] != nil && o.record != nil {
			continue
		}
		if failed := o.replace(flag, rec); failed != nil {
			fmt.Fprintf(o.std.err, "wringer: write %s: %v\n", flag, failed)
		}
	}
	if o.unanswered != nil {
		for flag, path := range o.extra {
			if text, failed := o.unanswered(flag, rec.Run); *path == "-" && failed == nil {
				_, _ = o.std.out.Write(text) // the exit code says it too
			}
		}
	}
	for _, format := range formats {
		if *o.files[format.name] == "-" && o.record == nil {
			_ = o.several.render(&format)(o.std.out, rec) // the exit code says it too
		}
	}
	return err
}

// unwrittenTo begins the reason of a command that could not write to the file of a flag.
func unwrittenTo(flag string) string { return "write " + flag + ": " }

// unended is the record of a run that came to no end.
func unended(name string, code int, why string) *reports.Record {
	return &reports.Record{Run: &reports.Run{
		Schema: reports.Schema, Name: name, Version: version(), Started: time.Now().UTC(),
		Verdict: reports.Inconclusive, Exit: code, Why: []string{why},
		Gates: []reports.Gate{}, Windows: []reports.Window{}, Streams: map[string]*reports.Stream{}, Faults: []reports.Fault{}, Findings: []reports.Finding{},
		Validity: reports.Validity{Verdict: reports.Inconclusive, Why: []string{why}},
	}}
}

// withFailure is a record whose command failed after its verdict: no reader takes it for a pass.
func withFailure(rec *reports.Record, code int, why string) *reports.Record {
	run := *rec.Run
	run.Exit = code
	run.Validity.Verdict, run.Validity.Why = reports.Inconclusive, append(slices.Clone(run.Validity.Why), why)
	if run.Verdict == reports.Pass {
		run.Verdict, run.Why = reports.Inconclusive, []string{why}
	}
	out := *rec
	out.Run = &run
	return &out
}

// writeOutput renders into a file that appears whole or not at all; what is no file is written to.
func writeOutput(path string, rec *reports.Record, render func(io.Writer, *reports.Record) error) error {
	if !special(path) {
		return writeFile(path, rec, render)
	}
	var b bytes.Buffer
	if err := render(&b, rec); err != nil {
		return err
	}
	return writeSpecial(path, b.Bytes())
}
