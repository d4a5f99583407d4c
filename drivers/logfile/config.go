// Package logfile reads effects from the lines of a file, or of what a part of the target writes: a service's own log. A line is read by
// a regular expression, or as a JSON document.
package logfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/drivers/effect"
)

// Config is the `file:` part of `effects:`.
type Config struct {
	Path string `yaml:"path" path:"later" jsonschema_description:"The file, relative to the scenario. It may appear while the run goes on. Lines that it holds at the start are not of the run."`
	Part string `yaml:"part" jsonschema_description:"In place of path: a part of the target, whose output is read: a process or a container."`
	Line string `yaml:"line" jsonschema_description:"A regular expression with named groups, which the other keys name: 'charged (?P<id>\\S+) (?P<cents>\\d+)'. A line that it does not match is no effect. Absent: each line is a JSON document, and the other keys are JSON paths; a line that is none is no effect."`

	effect.Fields `yaml:",inline"`
}

// Check implements drivers.SourceConfig.
func (c *Config) Check(problem func(field, message string)) {
	if (c.Path == "") == (c.Part == "") {
		problem("", "takes one of path and part")
	}
	if _, err := c.compile(); err != nil {
		problem("line", err.Error())
		return
	}
	c.Fields.Check(c.checkField, problem)
}

// compile compiles the expression; nil without one.
func (c *Config) compile() (*regexp.Regexp, error) {
	if c.Line == "" || strings.Contains(c.Line, "${") {
		return nil, nil
	}
	return regexp.Compile(c.Line)
}

// checkField: a field is a group of the expression, or a JSON path.
func (c *Config) checkField(name string) error {
	if c.Line == "" {
		return effect.CheckPath(name)
	}
	expression, _ := c.compile()
	if expression == nil {
		return nil
	}
	if names := expression.SubexpNames(); name == "" || !slices.Contains(names, name) {
		groups := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })
		return fmt.Errorf("the expression has no group named %q; it has: %s", name, strings.Join(groups, ", "))
	}
	return nil
}

// CheckFiles implements drivers.FileChecker. The file may appear later, but not in a folder that is not there.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	if c.Path == "" || strings.Contains(c.Path, "${") {
		return
	}
	path := drivers.ResolvePath(folder, c.Path)
	_, err := os.Stat(path)
	if err == nil || errors.Is(ready(c.Path), drivers.ErrLater) || errors.Is(err, fs.ErrNotExist) && isFolder(filepath.Dir(path)) {
		return // however large it is
	}
	problem("path", err.Error()+": the file may appear later, and its folder must be there")
}

// Describe implements drivers.SourceConfig.
func (c *Config) Describe() drivers.SourceDescription {
	place := "lines of " + filepath.Base(c.Path)
	if c.Part != "" {
		place = "output of " + c.Part
	}
	return drivers.SourceDescription{
		Place: place, Gauges: []string{"lines"}, Counters: []string{"lines"}, Matched: c.Matched(),
		Cannot: drivers.SourceLimits{Redelivery: "a line is an effect, and no delivery"},
	}
}

// Open implements drivers.SourceConfig.
func (c *Config) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	reader, err := c.Fields.Open(env)
	if err != nil {
		return nil, err
	}
	p := &parser{reader: reader}
	if p.expression, err = c.compile(); err == nil && p.expression == nil {
		p.documents, err = c.Documents()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	s := &source{env: env, parser: p, place: c.Describe().Place, asked: make(chan chan error)}
	if c.Part != "" {
		if env.Output == nil {
			return nil, fmt.Errorf("%w: part: the scenario has no target that keeps the output of its parts", drivers.ErrConfig)
		}
		s.open = func() (follower, error) { return openOutput(env, c.Part) }
	} else {
		path := drivers.ResolvePath(env.Files, c.Path)
		s.open = func() (follower, error) { return openFile(path) }
	}
	return s, nil
}

// parser reads one line.
type parser struct {
	reader     *effect.Reader
	expression *regexp.Regexp
	documents  effect.Documents
}

// read reads a line; ok is false when it is no effect.
func (p *parser) read(line []byte) (rec effect.Record, ok bool, err error) {
	if p.expression == nil {
		field, err := p.documents.Fields(line)
		if err != nil {
			return rec, false, nil // a line of another kind
		}
		rec, err = p.reader.Read(field)
		return rec, rec.ID != nil, err
	}
	at := p.expression.FindSubmatchIndex(line)
	if at == nil {
		return rec, false, nil
	}
	rec, err = p.reader.Read(func(name string) ([]byte, bool) {
		i := p.expression.SubexpIndex(name)
		if i < 0 || at[2*i] < 0 {
			return nil, false
		}
		return line[at[2*i]:at[2*i+1]], true
	})
	return rec, true, err
}
