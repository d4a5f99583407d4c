package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"

	"wringer/scenarios"
)

// Compose is `target: {compose: {...}}`: the services of a Compose file, started by this package. Fixed ports of the host and names
// of containers are replaced, so that two runs stand side by side.
type Compose struct {
	File     string                       `yaml:"file" path:"file" jsonschema:"required" jsonschema_description:"The Compose file, relative to the scenario. A .env file beside it is read."`
	Services []string                     `yaml:"services" jsonschema_description:"The services to start, with those they depend on. Default: all whose profiles are chosen."`
	Profiles []string                     `yaml:"profiles" jsonschema_description:"The profiles to choose."`
	Ready    map[string]*Ready            `yaml:"ready" jsonschema_description:"How to see that a service works, by its name. Default: its health check; else its first port takes connections; else it runs."`
	MayEnd   []string                     `yaml:"may_end" jsonschema_description:"Services that may end by themselves."`
	Hosts    map[string]map[string]string `yaml:"hosts" jsonschema_description:"Names that lead elsewhere for one service alone, by its name: an address, or ${links.LINK}."`

	project *types.Project // nil: it could not be read
	err     error
}

// Locate implements scenarios.Located: it reads the file.
func (c *Compose) Locate(folder string, environ []string) {
	if c.File == "" {
		return
	}
	c.project, c.err = c.load(within(folder, c.File), environ)
}

// load reads and checks the Compose file.
func (c *Compose) load(path string, environ []string) (*types.Project, error) {
	logrus.SetOutput(io.Discard) // the library tells warnings there
	options, err := cli.NewProjectOptions([]string{path},
		cli.WithWorkingDirectory(filepath.Dir(path)), cli.WithEnv(environ), cli.WithEnvFiles(), cli.WithDotEnv, cli.WithProfiles(c.Profiles), cli.WithName("wringer"))
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	if len(c.Services) > 0 {
		if project, err = project.WithSelectedServices(c.Services); err != nil {
			return nil, err
		}
	}
	for n, s := range project.Services {
		if s.GetScale() == 0 {
			delete(project.Services, n) // it is to have no container
		}
	}
	return project, nil
}

// Check implements scenarios.TargetConfig.
func (c *Compose) Check(problem func(field, message string)) {
	switch {
	case c.File == "":
		return // the missing key is told already
	case c.err != nil:
		problem("file", c.err.Error())
		return
	case c.project == nil:
		problem("file", "was not read")
		return
	case len(c.project.Services) == 0:
		problem("file", "has no service to start; choose profiles")
	}
	of := make(map[string]string)
	for _, n := range c.names() {
		s := c.project.Services[n]
		for _, part := range c.parts(n) {
			if other, twice := of[part]; twice {
				problem("file", fmt.Sprintf("service %s: its container %s has the name of one of %s; rename one", n, part, other))
			}
			of[part] = n
		}
		for _, need := range slices.Sorted(maps.Keys(s.DependsOn)) {
			if _, ok := c.project.Services[need]; !ok && s.DependsOn[need].Required {
				problem("file", fmt.Sprintf("service %s: depends on %s, which is not started; choose its profile, or give it replicas", n, need))
			}
		}
		for _, what := range unsupported(&s) {
			problem("file", fmt.Sprintf("service %s: %s", n, what))
		}
	}
	for _, what := range unsupportedOfFile(c.project) {
		problem("file", what)
	}
	known := func(field, n string) bool {
		if _, ok := c.project.Services[n]; !ok {
			problem(field, fmt.Sprintf("there is no service %q; there are %s", n, strings.Join(c.names(), ", ")))
			return false
		}
		return true
	}
	for n, r := range c.Ready {
		if known("ready."+n, n) {
			r.check(func(field, message string) { problem(strings.Replace(field, "ready", "ready."+n, 1), message) }, len(c.ports(n)) > 0)
		}
	}
	for _, n := range c.MayEnd {
		known("may_end", n)
	}
	for n := range c.Hosts {
		known("hosts."+n, n)
	}
}

func (c *Compose) names() []string {
	if c.project == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.project.Services))
}

// parts are the names of a service's parts.
func (c *Compose) parts(n string) []string {
	s := c.project.Services[n]
	return (&Entry{Replicas: s.GetScale()}).parts(n)
}

// names of a service by which others reach it.
func (c *Compose) namesOf(n string) []string {
	s := c.project.Services[n]
	all := []string{n}
	if s.ContainerName != "" {
		all = append(all, s.ContainerName)
	}
	for _, network := range slices.Sorted(maps.Keys(s.Networks)) {
		if config := s.Networks[network]; config != nil {
			all = append(all, config.Aliases...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Variables implements scenarios.TargetConfig.
func (c *Compose) Variables() []string {
	all := c.Reserved()
	for _, p := range c.PartNames() {
		all = append(all, p+".id")
	}
	slices.Sort(all)
	return all
}

// Reserved implements scenarios.Reserving: how the services reach each other is known before any of them starts.
func (c *Compose) Reserved() []string {
	return slices.Sorted(maps.Keys(c.vars(inside)))
}

// vars are the variables as one side sees them.
func (c *Compose) vars(at view) map[string]string {
	vars := make(map[string]string)
	for _, n := range c.names() {
		parts := c.parts(n)
		for _, port := range c.ports(n) {
			for _, owner := range append([]string{n}, parts...) {
				of := owner
				if owner == n {
					of = parts[0]
				}
				vars[owner+"."+portText(port)], vars[owner+"."+portText(port)+".port"] = at(of, port), portOf(at(of, port))
			}
		}
	}
	return vars
}

// PartNames implements scenarios.TargetConfig.
func (c *Compose) PartNames() []string {
	var all []string
	for _, n := range c.names() {
		all = append(all, c.parts(n)...)
	}
	return all
}

// Unprefixed implements scenarios.Unprefixed: ${orders.8080}.
func (c *Compose) Unprefixed() {}

// StartLimit implements scenarios.Patient.
func (c *Compose) StartLimit() time.Duration { return startLimit }

// CheckAlias implements scenarios.Aliasing.
func (c *Compose) CheckAlias(caller, callee string, ports []uint16) error {
	for _, end := range []string{caller, callee} {
		if !slices.Contains(c.names(), end) {
			return fmt.Errorf("there is no service %q; there are %s", end, strings.Join(c.names(), ", "))
		}
	}
	if caller == callee {
		return errors.New("the caller and the callee are the same service")
	}
	for _, end := range []string{caller, callee} {
		if c.enclosed(end) {
			return fmt.Errorf("all networks of service %s are internal: no link outside reaches it, or is reached from it", end)
		}
	}
	if err := c.checkOwnNames(caller, callee); err != nil {
		return err
	}
	if n := len(c.parts(callee)); n > 1 {
		return severalParts(callee, n)
	}
	for _, known := range c.namesOf(callee) {
		if _, taken := c.project.Services[caller].ExtraHosts[known]; taken || c.Hosts[caller][known] != "" {
			return fmt.Errorf("hosts or extra_hosts of %s leads %s elsewhere; remove one of the two", caller, known)
		}
	}
	for _, port := range ports {
		if !slices.Contains(c.ports(callee), port) {
			return fmt.Errorf("port %d is neither in ports nor in expose of %s: wringer must reach it there", port, callee)
		}
	}
	return nil
}

// checkOwnNames checks that names can lead the caller, and nobody else, to a link.
func (c *Compose) checkOwnNames(caller, callee string) error {
	s := c.project.Services[caller]
	if mode := s.NetworkMode; mode != "" && mode != "bridge" {
		return fmt.Errorf("service %s has network_mode %s: its names are not its own, so that no link can take the place of %s", caller, mode, callee)
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(s.Networks)), func(n string) bool { _, in := c.project.Services[callee].Networks[n]; return in }) {
		return fmt.Errorf("services %s and %s share no network, so that %s does not reach %s by name: no link can take its place", caller, callee, caller, callee)
	}
	for _, n := range c.names() {
		if c.project.Services[n].NetworkMode == types.NetworkModeServicePrefix+caller {
			return fmt.Errorf("service %s shares the network of %s, and would meet the link too; name the link after another caller", n, caller)
		}
	}
	return nil
}

// Prepare implements scenarios.Hosting.
func (c *Compose) Prepare(ctx context.Context, env scenarios.TargetEnv) (scenarios.Prepared, error) {
	if c.project == nil {
		return nil, fmt.Errorf("compose file %s: %w", c.File, c.err)
	}
	p, err := prepare(ctx, env, composeSources{c})
	if err != nil {
		return nil, err
	}
	return &preparedCompose{p, c}, nil
}

// Start implements scenarios.TargetConfig: Prepare and the start of what it prepared.
func (c *Compose) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	p, err := c.Prepare(ctx, env)
	if err != nil {
		return nil, err
	}
	t, err := p.Start(ctx, env)
	if err != nil {
		return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
	}
	return t, nil
}

// preparedCompose is a Compose file whose network stands.
type preparedCompose struct {
	*prepared
	config *Compose
}

// Start implements scenarios.Prepared.
func (p *preparedCompose) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	networks, err := p.networks(ctx, p.config.project)
	if err != nil {
		return nil, err
	}
	if err := p.volumes(ctx, p.config); err != nil {
		return nil, err
	}
	return p.withFreePorts(env, func() (*target, error) { return p.begin(ctx, env, networks) })
}

func (p *preparedCompose) begin(ctx context.Context, env scenarios.TargetEnv, networks map[string]string) (*target, error) {
	services, err := p.config.services(p.prepared, networks)
	if err != nil {
		return nil, err
	}
	ports, err := p.publish(services)
	if err != nil {
		return nil, err
	}
	outside := p.outside(ports)
	vars := p.config.vars(outside)
	env.Tell(vars)
	if err := p.config.fill(services, p.prepared, env, outside); err != nil {
		return nil, err
	}
	return start(ctx, p.prepared, services, ports, vars, env)
}

// fill sets the ready checks and the hosts entries, which the scenario gives.
func (c *Compose) fill(services []Service, p *prepared, env scenarios.TargetEnv, outside view) error {
	seen := c.vars(inside)
	maps.Copy(seen, env.Vars)
	var failed []error
	text := func(t string) string {
		out, err := scenarios.Fill(t, seen)
		failed = append(failed, err)
		return out
	}
	for _, n := range c.names() {
		for i := range services {
			s := &services[i]
			if !slices.Contains(c.parts(n), s.Name) {
				continue
			}
			for _, h := range p.hosts(n) {
				for _, known := range c.namesOf(h.Name) {
					s.Hosts = append(s.Hosts, Host{Name: known, Address: h.Address})
				}
			}
			for host, address := range c.Hosts[n] {
				s.Hosts = append(s.Hosts, Host{Name: host, Address: text(address)})
			}
			p.reachRelays(s)
			r := c.Ready[n]
			if r == nil {
				continue
			}
			s.Health, s.Within = r.Health, r.Within
			first := uint16(0)
			if len(s.Ports) > 0 {
				first = s.Ports[0]
			}
			config, err := r.config(first, func(port string) (string, error) { return s.reach(port, outside) })
			failed = append(failed, err)
			s.Ready = config.Fill(text)
		}
	}
	return errors.Join(failed...)
}
