// Package processes is the target `processes:`: local programs that start with the run and end with it. Each is a part that
// faults can break.
package processes

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"wringer/scenarios"
	"wringer/scenarios/ready"
)

// Config is `target: {processes: {NAME: {...}}}`.
type Config map[string]*Program

// Program is one local program.
type Program struct {
	Command []string          `yaml:"command" path:"program" jsonschema:"required" jsonschema_description:"The program and its arguments; no shell interprets them. A path with a slash starts at the scenario's folder."`
	Env     map[string]string `yaml:"env" jsonschema_description:"Environment variables, beside the harness's own."`
	Dir     string            `yaml:"dir" path:"workdir" jsonschema_description:"The working directory, relative to the scenario. Default: the harness's own."`
	Ports   []string          `yaml:"ports" jsonschema_description:"Names of free loopback ports, which follow each other: ${processes.PROCESS.NAME} is the address, ${processes.PROCESS.NAME.port} the number."`
	Ready   *ready.Config     `yaml:"ready" jsonschema_description:"How to see that the program works. Default: its first port takes connections; without ports: the program runs."`
	Needs   []string          `yaml:"needs" jsonschema_description:"Processes that must be ready before this one starts."`
	Makes   []string          `yaml:"makes" jsonschema_description:"Files, and folders of files, that the program writes before it is ready and that the scenario names elsewhere, relative to the scenario. They are not looked for before the run."`
	MayEnd  bool              `yaml:"may_end" jsonschema_description:"The program may end by itself. Otherwise such an end fails the run, unless a fault on the program, or an exec fault, was in force."`
	Grace   time.Duration     `yaml:"grace" jsonschema_description:"The time between the request to end and the kill. Default 5s."`
}

const (
	maxPrograms = 64
	maxPorts    = 64
	maxGrace    = time.Minute
)

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$`)

// Check implements scenarios.TargetConfig.
func (c *Config) Check(problem func(field, message string)) {
	if len(*c) == 0 || len(*c) > maxPrograms {
		problem("", fmt.Sprintf("holds %d programs: name 1 to %d", len(*c), maxPrograms))
		return
	}
	for _, n := range c.names() {
		at := func(field, message string) { problem(strings.TrimSuffix(n+"."+field, "."), message) }
		if !name.MatchString(n) {
			at("", fmt.Sprintf("%q is no name: write letters, digits, - and _, at most 50", n))
		}
		p := (*c)[n]
		p.check(at)
		for _, need := range p.Needs {
			if (*c)[need] == nil {
				at("needs", fmt.Sprintf("there is no process %q; there are %s", need, strings.Join(c.names(), ", ")))
			}
		}
	}
	if _, stuck := c.order(); len(stuck) > 0 {
		problem(stuck[0]+".needs", "the processes need each other in a circle: "+strings.Join(stuck, ", "))
	}
}

func (p *Program) check(problem func(field, message string)) {
	if len(p.Command) == 0 || p.Command[0] == "" {
		problem("command", "names no program: write [program, argument, ...]")
	}
	if len(p.Ports) > maxPorts {
		problem("ports", fmt.Sprintf("%d ports; the maximum is %d", len(p.Ports), maxPorts))
	}
	for i, port := range p.Ports {
		switch {
		case !name.MatchString(port):
			problem("ports", fmt.Sprintf("%q is no name: write letters, digits, - and _", port))
		case port == "pid":
			problem("ports", "pid is the number of the process; choose another name")
		case slices.Contains(p.Ports[:i], port):
			problem("ports", "two ports are named "+port)
		}
	}
	for key := range p.Env {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			problem("env", fmt.Sprintf("%q is no name of a variable", key))
		}
	}
	for i, path := range p.Makes {
		if path == "" || strings.Contains(path, "${") {
			problem(fmt.Sprintf("makes[%d]", i), "must be a path that is known before the run")
		}
	}
	if p.Grace > maxGrace {
		problem("grace", fmt.Sprintf("%v is more than the maximum of %v", p.Grace, maxGrace))
	}
	p.Ready.Check(problem)
}

func (c *Config) names() []string { return slices.Sorted(maps.Keys(*c)) }

// order is the starting order: each program after those it needs, otherwise by name. stuck lists the programs that can never
// start.
func (c *Config) order() (order, stuck []string) {
	left := c.names()
	for {
		i := slices.IndexFunc(left, func(n string) bool {
			return !slices.ContainsFunc((*c)[n].Needs, func(need string) bool { return slices.Contains(left, need) })
		})
		if i < 0 {
			return order, left
		}
		order, left = append(order, left[i]), slices.Delete(left, i, i+1)
	}
}

// Variables implements scenarios.TargetConfig.
func (c *Config) Variables() []string {
	all := c.Reserved()
	for _, n := range c.names() {
		all = append(all, n+".pid")
	}
	slices.Sort(all)
	return all
}

// Reserved implements scenarios.Reserving: the ports are known before any program starts.
func (c *Config) Reserved() []string {
	var all []string
	for _, n := range c.names() {
		for _, port := range (*c)[n].Ports {
			all = append(all, n+"."+port, n+"."+port+".port")
		}
	}
	return all
}

// Makes implements scenarios.Maker.
func (c *Config) Makes() []string {
	var all []string
	for _, n := range c.names() {
		all = append(all, (*c)[n].Makes...)
	}
	return all
}

// PartNames implements scenarios.TargetConfig.
func (c *Config) PartNames() []string { return c.names() }

// Start implements scenarios.TargetConfig.
func (c *Config) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	t, err := start(ctx, *c, env)
	if err != nil {
		return nil, err
	}
	return t, nil
}
