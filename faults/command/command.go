// Package command breaks things by one command and heals them by another. It covers everything that no other fault knows
// (kubectl, tc, the fault service of a cloud).
package command

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wringer/faults"
)

// Config is a fault by commands. Each is a program with its arguments; no shell is involved.
type Config struct {
	Exec  []string `yaml:"exec" path:"program" jsonschema:"required" jsonschema_description:"The command that breaks: a program and its arguments; a path with a slash lies in the scenario's folder. Its exit status 0 says that the fault is in force."`
	Undo  []string `yaml:"undo" path:"program" jsonschema:"required" jsonschema_description:"The command that heals. It must do no harm when there is nothing to undo; wringer cleanup runs it when the run was killed."`
	Bites []string `yaml:"check" path:"program" jsonschema_description:"Exits with status 0 when the fault is seen to touch traffic, and from then on while it is in force: asked every half second, and once more before undo. Absent: the exit status of exec is taken for it."`
	Gone  []string `yaml:"probe" path:"program" jsonschema_description:"Exits with status 0 when all is as before, asked after undo. Absent: the exit status of undo is taken for it."`
	// Container names a part in which the commands run.
	Container string            `yaml:"container" jsonschema_description:"The container of the target in which the commands run; their paths are the container's. Absent: they run beside wringer."`
	Env       map[string]string `yaml:"env" jsonschema_description:"Environment variables, beside the harness's own."`
	Dir       string            `yaml:"dir" path:"workdir" jsonschema_description:"The working directory, relative to the scenario. Default: the harness's own."`
	Timeout   time.Duration     `yaml:"timeout" jsonschema_description:"Of each command; then it and what it started are killed. Default 10s."`
}

const (
	defaultTimeout = 10 * time.Second
	maxTimeout     = 10 * time.Minute
)

// Check implements faults.Config.
func (c *Config) Check(problem func(field, message string)) {
	for _, command := range []struct {
		field string
		words []string
		must  bool
	}{{"exec", c.Exec, true}, {"undo", c.Undo, true}, {"check", c.Bites, c.Bites != nil}, {"probe", c.Gone, c.Gone != nil}} {
		if command.must && (len(command.words) == 0 || command.words[0] == "") {
			problem(command.field, "names no program: write [program, argument, ...]")
		}
	}
	if c.Timeout > maxTimeout {
		problem("timeout", fmt.Sprintf("%v is more than the maximum of %v", c.Timeout, maxTimeout))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Env)) {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			problem("env", fmt.Sprintf("%q is no name of a variable", key))
		}
	}
}

// Kind implements faults.Config.
func (*Config) Kind() string { return "exec" }

// On implements faults.Config: what a command breaks is not known, unless it runs in a container.
func (c *Config) On() faults.Place { return faults.Place{Part: c.Container} }

// Distant implements faults.Distant: in a container the programs are the container's.
func (c *Config) Distant() bool { return c.Container != "" }

// Describe implements faults.Config: the commands may name the target's ports and processes.
func (c *Config) Describe() faults.Description {
	return faults.Description{Words: c.words(), Templated: true}
}

// words describes the fault: "exec tc qdisc add ...".
func (c *Config) words() string {
	words := "exec " + strings.Join(c.Exec, " ")
	if c.Container != "" {
		words += " in " + c.Container
	}
	return words
}

// Open implements faults.Config.
func (c *Config) Open(env faults.Env) (faults.Fault, error) {
	f := &Fault{config: c, env: env, turn: faults.NewTurn()}
	if c.Container != "" {
		return f, f.openInside()
	}
	dir, err := faults.WorkingFolder(env.Files, c.Dir)
	if err != nil {
		return nil, err
	}
	if dir != "" { // the journal is replayed from wherever cleanup runs
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, err
		}
	}
	f.base = command{Dir: dir, Timeout: cmp.Or(c.Timeout, defaultTimeout)}
	f.base.Env = c.environment()
	return f, nil
}

// environment lists the variables as NAME=VALUE.
func (c *Config) environment() (all []string) {
	for _, key := range slices.Sorted(maps.Keys(c.Env)) {
		all = append(all, key+"="+c.Env[key])
	}
	return all
}
