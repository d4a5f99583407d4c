package containers

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	moby "github.com/moby/moby/api/types/container"

	"wringer/scenarios"
)

// services are the containers that the configuration asks for, with their ports chosen but their texts not yet filled in.
func (c *Config) services() []Service {
	var all []Service
	for _, n := range c.names() {
		e := (*c)[n]
		for i, part := range e.parts(n) {
			s := Service{
				Name: part, Image: e.Image, Entrypoint: e.Entrypoint, Command: e.Command, Ports: e.ports(),
				Grace: e.Grace, MayEnd: e.MayEnd,
			}
			if part != n {
				s.Aliases = []string{n}
			}
			if e.Ready != nil {
				s.Within, s.Health = e.Ready.Within, e.Ready.Health
			}
			for _, need := range e.Needs {
				for _, of := range (*c)[need].parts(need) {
					s.Needs = append(s.Needs, Need{Name: of})
				}
			}
			e.know(n, i, &s)
			all = append(all, s)
		}
	}
	return all
}

// vars are the variables as one side sees them, without the target's prefix.
func (c *Config) vars(at view) map[string]string {
	vars := make(map[string]string)
	for _, n := range c.names() {
		e := (*c)[n]
		parts := e.parts(n)
		for _, port := range e.ports() {
			for _, part := range parts {
				vars[part+"."+portText(port)], vars[part+"."+portText(port)+".port"] = at(part, port), portOf(at(part, port))
			}
			if len(parts) > 1 {
				vars[n+"."+portText(port)] = vars[parts[0]+"."+portText(port)]
				vars[n+"."+portText(port)+".port"] = vars[parts[0]+"."+portText(port)+".port"]
			}
		}
		maps.Copy(vars, e.knownVars(n, at))
	}
	return vars
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// fill fills in the texts of one entry's service, as the container sees the variables.
func (e *Entry) fill(s *Service, files string, vars map[string]string, at view) error {
	var failed []error
	text := func(t string) string {
		out, err := scenarios.Fill(t, vars)
		failed = append(failed, err)
		return out
	}
	texts := func(all []string) []string {
		out := slices.Clone(all)
		for i := range out {
			out[i] = text(out[i])
		}
		return out
	}
	s.Image, s.Command, s.Entrypoint = text(s.Image), texts(s.Command), texts(s.Entrypoint)
	env, err := readEnv(files, text(e.EnvFile))
	failed = append(failed, err)
	maps.Copy(env, s.Env)
	for key, value := range e.Env {
		env[key] = text(value)
	}
	s.Env = env
	for _, path := range slices.Sorted(maps.Keys(e.Files)) {
		s.Files = append(s.Files, File{Path: path, Mode: 0o644, Source: within(files, text(e.Files[path]))})
	}
	for _, host := range slices.Sorted(maps.Keys(e.Hosts)) {
		s.Hosts = append(s.Hosts, Host{Name: host, Address: text(e.Hosts[host])})
	}
	if e.Build != "" {
		s.Build = &Build{Context: within(files, text(e.Build)), Dockerfile: text(e.Dockerfile), Stage: text(e.Stage), Args: make(map[string]*string)}
		for key, value := range e.BuildArgs {
			value = text(value)
			s.Build.Args[key] = &value
		}
	}
	if e.Ready != nil {
		first := uint16(0)
		if len(s.Ports) > 0 {
			first = s.Ports[0]
		}
		s.Ready, err = e.Ready.config(first, func(port string) (string, error) { return s.reach(port, at) })
		failed = append(failed, err)
		s.Ready = s.Ready.Fill(text)
	}
	s.Change = e.change(text(e.User), text(e.Dir))
	return errors.Join(failed...)
}

// reach is the address at which one of the service's ports is reached.
func (s *Service) reach(port string, at view) (string, error) {
	for _, p := range s.Ports {
		if portText(p) == port {
			return at(s.Name, p), nil
		}
	}
	return "", fmt.Errorf("ready: port %s is not in ports", port)
}

// change sets the user, the folder and the limits.
func (e *Entry) change(user, dir string) func(*moby.Config, *moby.HostConfig) {
	return func(config *moby.Config, host *moby.HostConfig) {
		config.User, config.WorkingDir = cmp.Or(user, config.User), cmp.Or(dir, config.WorkingDir)
		if e.CPUs > 0 {
			host.NanoCPUs = int64(e.CPUs * 1e9)
		}
		host.Memory = int64(e.Memory)
		for path, size := range e.Tmpfs {
			if host.Tmpfs == nil {
				host.Tmpfs = make(map[string]string)
			}
			host.Tmpfs[path] = "size=" + size
		}
	}
}

// within is a path of the scenario: a relative one starts at its folder.
func within(folder, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// readEnv reads a file of lines NAME=VALUE. Empty lines and those that begin with # are skipped.
func readEnv(folder, path string) (map[string]string, error) {
	env := make(map[string]string)
	if path == "" {
		return env, nil
	}
	file, err := os.Open(within(folder, path))
	if err != nil {
		return env, fmt.Errorf("env_file: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found || key == "" {
			return env, fmt.Errorf("env_file: %s:%d: write NAME=VALUE", path, n)
		}
		env[key] = value
	}
	return env, lines.Err()
}
