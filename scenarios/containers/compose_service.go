package containers

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"wringer/faults/container"
)

// networks makes the file's networks. The file's default network is the run's own. The result maps the file's names to the
// engine's.
func (p *prepared) networks(ctx context.Context, project *types.Project) (map[string]string, error) {
	names := map[string]string{"default": p.network}
	for _, n := range slices.Sorted(maps.Keys(project.Networks)) {
		config := project.Networks[n]
		switch {
		case n == "default":
			continue
		case bool(config.External):
			names[n] = config.Name
			continue
		}
		names[n] = p.network + "-" + n
		if p.adopted != nil {
			continue
		}
		options := client.NetworkCreateOptions{
			Driver: cmp.Or(config.Driver, "bridge"), Options: config.DriverOpts, Internal: config.Internal, EnableIPv6: config.EnableIPv6,
			Labels: map[string]string{container.LabelRun: p.run},
		}
		if len(config.Ipam.Config) > 0 {
			ipam, err := ipamOf(config.Ipam)
			if err != nil {
				return nil, fmt.Errorf("network %s: %w", n, err)
			}
			options.IPAM = ipam
		}
		if _, err := p.createNetwork(ctx, names[n], options); err != nil {
			return nil, fmt.Errorf("make network %s: %w", n, err)
		}
	}
	return names, nil
}

func ipamOf(config types.IPAMConfig) (*network.IPAM, error) {
	out := &network.IPAM{Driver: cmp.Or(config.Driver, "default")}
	for _, pool := range config.Config {
		var entry network.IPAMConfig
		var err error
		if pool.Subnet != "" {
			if entry.Subnet, err = netip.ParsePrefix(pool.Subnet); err != nil {
				return nil, err
			}
		}
		if pool.Gateway != "" {
			if entry.Gateway, err = netip.ParseAddr(pool.Gateway); err != nil {
				return nil, err
			}
		}
		if pool.IPRange != "" {
			if entry.IPRange, err = netip.ParsePrefix(pool.IPRange); err != nil {
				return nil, err
			}
		}
		out.Config = append(out.Config, entry)
	}
	return out, nil
}

// services are the containers that the file asks for.
func (c *Compose) services(p *prepared, networks map[string]string) ([]Service, error) {
	var all []Service
	for _, n := range c.names() {
		s := c.project.Services[n]
		for _, part := range c.parts(n) {
			one, err := c.service(&s, part, networks)
			if err != nil {
				return nil, fmt.Errorf("service %s: %w", n, err)
			}
			one.Change = p.change(c.project, &s)
			all = append(all, one)
		}
	}
	return all, nil
}

// service is one container of a service.
func (c *Compose) service(s *types.ServiceConfig, part string, networks map[string]string) (Service, error) {
	out := Service{
		Name: part, Image: s.Image, Entrypoint: s.Entrypoint, Command: s.Command, Env: make(map[string]string),
		Ports: c.ports(s.Name), MayEnd: slices.Contains(c.MayEnd, s.Name), Networks: make(map[string][]string),
		Health: s.HealthCheck != nil && !s.HealthCheck.Disable && checked(&moby.HealthConfig{Test: s.HealthCheck.Test}),
	}
	for key, value := range s.Environment {
		if value != nil {
			out.Env[key] = *value
		}
	}
	if s.StopGracePeriod != nil {
		out.Grace = time.Duration(*s.StopGracePeriod)
	}
	if s.Build != nil {
		out.Build = &Build{Context: s.Build.Context, Dockerfile: s.Build.Dockerfile, Stage: s.Build.Target, Args: s.Build.Args}
	}
	aliases := []string{s.Name}
	if s.ContainerName != "" {
		aliases = append(aliases, s.ContainerName) // it is reached by this name, though its own is another
	}
	if s.NetworkMode == "" || s.NetworkMode == "bridge" {
		for n, config := range s.Networks {
			out.Networks[networks[n]] = slices.Clone(aliases)
			if config != nil {
				out.Networks[networks[n]] = append(out.Networks[networks[n]], config.Aliases...)
			}
		}
	}
	out.Join, _ = strings.CutPrefix(s.NetworkMode, types.NetworkModeServicePrefix)
	if out.Join == s.NetworkMode {
		out.Join = ""
	} else {
		out.Join = c.parts(out.Join)[0]
		out.Needs = append(out.Needs, Need{Name: out.Join, Started: true})
	}
	for _, n := range slices.Sorted(maps.Keys(s.DependsOn)) {
		if _, chosen := c.project.Services[n]; !chosen {
			continue // not required, and of another profile
		}
		condition := s.DependsOn[n].Condition
		for _, of := range c.parts(n) {
			out.Needs = append(out.Needs, Need{Name: of, Started: condition == types.ServiceConditionStarted})
		}
	}
	out.Once = c.awaited(s.Name)
	files, err := c.files(s)
	out.Files = files
	return out, err
}

// awaited says that another service waits for the end of this one.
func (c *Compose) awaited(n string) bool {
	for _, s := range c.project.Services {
		if s.DependsOn[n].Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}

// files are the secrets and configs of a service, which are copied in.
func (c *Compose) files(s *types.ServiceConfig) ([]File, error) {
	var all []File
	add := func(ref types.FileReferenceConfig, from types.FileObjectConfig, target string) error {
		f := File{Path: target, Mode: 0o444, Source: from.File}
		if ref.Mode != nil {
			f.Mode = int64(*ref.Mode)
		}
		switch {
		case from.File != "":
		case from.Environment != "":
			value, ok := c.project.Environment[from.Environment]
			if !ok {
				return fmt.Errorf("%s: the environment variable %s is not set", ref.Source, from.Environment)
			}
			f.Text = bytes.NewReader([]byte(value))
		case from.Content != "":
			f.Text = bytes.NewReader([]byte(from.Content))
		default:
			return fmt.Errorf("%s: is kept by a swarm; give it file, environment or content", ref.Source)
		}
		all = append(all, f)
		return nil
	}
	for _, ref := range s.Secrets {
		target := cmp.Or(ref.Target, ref.Source)
		if !path.IsAbs(target) {
			target = path.Join("/run/secrets", target)
		}
		if err := add(types.FileReferenceConfig(ref), types.FileObjectConfig(c.project.Secrets[ref.Source]), target); err != nil {
			return nil, err
		}
	}
	for _, ref := range s.Configs {
		target := cmp.Or(ref.Target, "/"+ref.Source)
		if err := add(types.FileReferenceConfig(ref), types.FileObjectConfig(c.project.Configs[ref.Source]), target); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// change sets what Service has no fields for.
func (p *prepared) change(project *types.Project, s *types.ServiceConfig) func(*moby.Config, *moby.HostConfig) {
	return func(config *moby.Config, host *moby.HostConfig) {
		changeConfig(s, config)
		changeHost(s, host)
		for _, v := range s.Volumes {
			host.Mounts = append(host.Mounts, p.mount(project, v))
		}
	}
}

func changeConfig(s *types.ServiceConfig, config *moby.Config) {
	config.User, config.WorkingDir = cmp.Or(s.User, config.User), cmp.Or(s.WorkingDir, config.WorkingDir)
	config.Hostname, config.Domainname = cmp.Or(s.Hostname, config.Hostname), s.DomainName
	config.Tty, config.OpenStdin, config.StopSignal = s.Tty, s.StdinOpen, s.StopSignal
	for key, value := range s.Labels {
		if _, ours := config.Labels[key]; !ours {
			config.Labels[key] = value
		}
	}
	if strings.HasPrefix(s.NetworkMode, types.NetworkModeServicePrefix) {
		config.Hostname = ""
	}
	h := s.HealthCheck
	if h == nil {
		return
	}
	check := &moby.HealthConfig{Test: h.Test}
	if h.Disable {
		check.Test = []string{"NONE"}
	}
	for to, from := range map[*time.Duration]*types.Duration{
		&check.Interval: h.Interval, &check.Timeout: h.Timeout, &check.StartPeriod: h.StartPeriod, &check.StartInterval: h.StartInterval,
	} {
		if from != nil {
			*to = time.Duration(*from)
		}
	}
	if h.Retries != nil {
		check.Retries = int(*h.Retries)
	}
	config.Healthcheck = check
}

func changeHost(s *types.ServiceConfig, host *moby.HostConfig) {
	host.CapAdd, host.CapDrop, host.Privileged, host.ReadonlyRootfs = s.CapAdd, s.CapDrop, s.Privileged, s.ReadOnly
	host.SecurityOpt, host.Sysctls, host.Init, host.GroupAdd = s.SecurityOpt, s.Sysctls, s.Init, s.GroupAdd
	host.ShmSize, host.OomScoreAdj = int64(s.ShmSize), int(s.OomScoreAdj)
	host.PidMode, host.IpcMode, host.UTSMode = moby.PidMode(s.Pid), moby.IpcMode(s.Ipc), moby.UTSMode(s.Uts)
	host.ExtraHosts = append(host.ExtraHosts, s.ExtraHosts.AsList(":")...)
	host.DNSOptions, host.DNSSearch = s.DNSOpts, s.DNSSearch
	for _, text := range s.DNS {
		if address, err := netip.ParseAddr(text); err == nil {
			host.DNS = append(host.DNS, address)
		}
	}
	if s.NetworkMode == "none" {
		host.NetworkMode = "none"
	}
	for _, text := range s.Tmpfs {
		folder, options, _ := strings.Cut(text, ":")
		if host.Tmpfs == nil {
			host.Tmpfs = make(map[string]string)
		}
		host.Tmpfs[folder] = options
	}
	if s.Logging != nil {
		host.LogConfig = moby.LogConfig{Type: s.Logging.Driver, Config: s.Logging.Options}
	}
	changeLimits(s, &host.Resources)
	host.RestartPolicy = restartOf(s)
}

func changeLimits(s *types.ServiceConfig, r *moby.Resources) {
	r.NanoCPUs, r.CPUShares, r.CpusetCpus = int64(float64(s.CPUS)*1e9), s.CPUShares, s.CPUSet
	r.CPUPeriod, r.CPUQuota = s.CPUPeriod, s.CPUQuota
	if s.OomKillDisable {
		r.OomKillDisable = &s.OomKillDisable
	}
	if s.MemSwappiness != 0 {
		swappiness := int64(s.MemSwappiness)
		r.MemorySwappiness = &swappiness
	}
	r.Memory, r.MemoryReservation, r.MemorySwap = int64(s.MemLimit), int64(s.MemReservation), int64(s.MemSwapLimit)
	if s.PidsLimit != 0 {
		r.PidsLimit = &s.PidsLimit
	}
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil {
		limits := s.Deploy.Resources.Limits
		r.NanoCPUs, r.Memory = cmp.Or(int64(float64(limits.NanoCPUs)*1e9), r.NanoCPUs), cmp.Or(int64(limits.MemoryBytes), r.Memory)
		if limits.Pids != 0 {
			r.PidsLimit = &limits.Pids
		}
	}
	if s.Deploy != nil && s.Deploy.Resources.Reservations != nil {
		r.MemoryReservation = cmp.Or(int64(s.Deploy.Resources.Reservations.MemoryBytes), r.MemoryReservation)
	}
	for _, n := range slices.Sorted(maps.Keys(s.Ulimits)) {
		u := s.Ulimits[n]
		limit := &moby.Ulimit{Name: n, Soft: int64(cmp.Or(u.Single, u.Soft)), Hard: int64(cmp.Or(u.Single, u.Hard))}
		r.Ulimits = append(r.Ulimits, limit)
	}
}

// restartOf is the restart policy of a service: always, unless-stopped, on-failure with the most tries, or none.
func restartOf(s *types.ServiceConfig) moby.RestartPolicy {
	name, tries, _ := strings.Cut(s.Restart, ":")
	policy := moby.RestartPolicy{Name: moby.RestartPolicyMode(name)}
	policy.MaximumRetryCount, _ = strconv.Atoi(tries)
	if s.Restart == "" && s.Deploy != nil && s.Deploy.RestartPolicy != nil {
		policy.Name = map[string]moby.RestartPolicyMode{"on-failure": moby.RestartPolicyOnFailure, "none": moby.RestartPolicyDisabled}[s.Deploy.RestartPolicy.Condition]
		policy.Name = cmp.Or(policy.Name, moby.RestartPolicyAlways)
		if most := s.Deploy.RestartPolicy.MaxAttempts; most != nil && policy.Name == moby.RestartPolicyOnFailure {
			policy.MaximumRetryCount = int(*most)
		}
	}
	return policy
}
