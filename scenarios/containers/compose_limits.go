package containers

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// unsupported tells what a service asks for and this package does not do. None of it is ignored in silence.
func unsupported(s *types.ServiceConfig) []string {
	var all []string
	refuse := func(set bool, what string) {
		if set {
			all = append(all, what)
		}
	}
	mode := s.NetworkMode
	own := mode == "" || mode == "bridge" || mode == "none" || strings.HasPrefix(mode, types.NetworkModeServicePrefix)
	refuse(mode == "host", "network_mode: host shares the machine's network, where two runs would meet; give it a network of its own")
	refuse(!own && mode != "host", "network_mode: "+mode+" is not supported")
	refuse(strings.HasPrefix(mode, types.NetworkModeServicePrefix) && len(s.Ports) > 0, "has ports beside network_mode: "+mode+"; move them to that service")
	refuse(s.Net != "", "net is not supported; write network_mode or networks")
	all = append(all, unsupportedNetworks(s)...)
	for _, p := range s.Ports {
		refuse(p.Protocol != "" && p.Protocol != "tcp", "port "+p.Protocol+" is not published: only TCP is")
	}
	for _, text := range s.Expose {
		if _, err := exposed(text); err != nil {
			all = append(all, err.Error())
		}
	}
	refuse(len(s.ExternalLinks) > 0, "external_links is not supported")
	refuse(len(s.Links) > 0 && slices.ContainsFunc(s.Links, func(l string) bool { return strings.Contains(l, ":") }), "links with an alias are not supported; use a network alias")
	refuse(len(s.VolumesFrom) > 0, "volumes_from is not supported")
	refuse(len(s.Devices) > 0 || len(s.DeviceCgroupRules) > 0 || len(s.Gpus) > 0, "devices and gpus are not supported")
	for key, mode := range map[string]string{"pid": s.Pid, "ipc": s.Ipc} {
		refuse(strings.Contains(mode, ":"), key+": "+mode+" shares that of another container, which is not supported")
	}
	refuse(s.Runtime != "" || s.Isolation != "" || s.CgroupParent != "" || s.Cgroup != "", "runtime, isolation and cgroup are not supported")
	refuse(s.UserNSMode != "", "userns_mode is not supported")
	refuse(s.CredentialSpec != nil || s.Provider != nil || len(s.Models) > 0 || s.UseAPISocket, "credential_spec, provider, models and use_api_socket are not supported")
	refuse(len(s.PreStart) > 0 || len(s.PostStart) > 0 || len(s.PreStop) > 0, "lifecycle hooks are not supported")
	refuse(s.Platform != "", "platform is not supported")
	refuse(s.BlkioConfig != nil || len(s.StorageOpt) > 0, "blkio_config and storage_opt are not supported")
	refuse(s.PullPolicy != "" && !slices.Contains([]string{types.PullPolicyMissing, types.PullPolicyIfNotPresent, types.PullPolicyBuild}, s.PullPolicy),
		"pull_policy: "+s.PullPolicy+" is not supported: an image is pulled when the engine does not have it")
	refuse(s.CPURTPeriod != 0 || s.CPURTRuntime != 0 || s.CPUCount != 0 || s.CPUPercent != 0, "cpu_rt_period, cpu_rt_runtime, cpu_count and cpu_percent are not supported")
	refuse(s.MacAddress != "", "mac_address is not supported")
	all = append(all, unsupportedOutput(s)...)
	all = append(all, unsupportedDeploy(s.Deploy)...)
	refuse(len(s.Annotations) > 0, "annotations is not supported")
	refuse(s.Umask != nil, "umask is not supported")
	refuse(s.VolumeDriver != "", "volume_driver is not supported; name the driver in volumes")
	for _, option := range s.SecurityOpt {
		profile, named := strings.CutPrefix(strings.Replace(option, "=", ":", 1), "seccomp:")
		refuse(named && profile != "unconfined", "security_opt: a profile of seccomp from a file is not supported")
	}
	for _, text := range s.DNS {
		_, err := netip.ParseAddr(text)
		refuse(err != nil, "dns: "+text+" is no address")
	}
	for _, ref := range s.Secrets {
		refuse(ref.UID != "" || ref.GID != "", "secret "+ref.Source+": uid and gid are not supported: the file belongs to root; set mode")
	}
	for _, ref := range s.Configs {
		refuse(ref.UID != "" || ref.GID != "", "config "+ref.Source+": uid and gid are not supported: the file belongs to root; set mode")
	}
	for _, v := range s.Volumes {
		known := slices.Contains([]string{types.VolumeTypeVolume, types.VolumeTypeBind, types.VolumeTypeTmpfs}, v.Type)
		refuse(!known, "a volume of type "+v.Type+" is not supported")
		refuse(v.Bind != nil && v.Bind.SELinux != "", "SELinux labels of a bind mount are not supported")
		refuse(v.Bind != nil && v.Bind.Recursive != "", "recursive of a bind mount is not supported")
	}
	refuse(s.Entrypoint != nil && len(s.Entrypoint) == 0 || s.Command != nil && len(s.Command) == 0, "an empty command or entrypoint is not supported")
	return append(all, unsupportedBuild(s.Build)...)
}

// unsupportedNetworks tells what a service asks of its networks.
func unsupportedNetworks(s *types.ServiceConfig) (all []string) {
	for _, n := range slices.Sorted(maps.Keys(s.Networks)) {
		c := s.Networks[n]
		if c == nil {
			continue
		}
		if c.Ipv4Address != "" || c.Ipv6Address != "" || len(c.LinkLocalIPs) > 0 {
			all = append(all, "network "+n+": fixed addresses are not supported")
		}
		if c.UseServiceNameAlias != nil && !*c.UseServiceNameAlias {
			all = append(all, "network "+n+": use_service_name_alias: false is not supported")
		}
		if c.MacAddress != "" || c.InterfaceName != "" || len(c.DriverOpts) > 0 || c.Priority != 0 || c.GatewayPriority != 0 {
			all = append(all, "network "+n+": mac_address, interface_name, driver_opts, priority and gw_priority are not supported")
		}
	}
	return all
}

// readable are the log drivers whose output an engine hands back.
var readable = []string{"", "json-file", "local"}

// unsupportedOutput tells what would keep this package from a container's output.
func unsupportedOutput(s *types.ServiceConfig) (all []string) {
	if s.LogDriver != "" || len(s.LogOpt) > 0 {
		all = append(all, "log_driver and log_opt are not supported; write logging")
	}
	if s.Logging != nil && !slices.Contains(readable, s.Logging.Driver) {
		all = append(all, "logging: driver "+s.Logging.Driver+" keeps its output from the run; use json-file or local")
	}
	return all
}

// unsupportedDeploy tells what only a swarm does and would change the run. Placement, updates and labels of a swarm change nothing.
func unsupportedDeploy(d *types.DeployConfig) (all []string) {
	if d == nil {
		return nil
	}
	if d.Mode != "" && d.Mode != "replicated" {
		all = append(all, "deploy: mode "+d.Mode+" is not supported: only a swarm knows it")
	}
	if r := d.Resources.Reservations; r != nil && (len(r.Devices) > 0 || len(r.GenericResources) > 0) {
		all = append(all, "deploy: reservations of devices are not supported")
	}
	return all
}

// unsupportedOfFile tells what the networks, volumes, secrets and configs of a file ask for.
func unsupportedOfFile(p *types.Project) (all []string) {
	for _, n := range slices.Sorted(maps.Keys(p.Networks)) {
		c := p.Networks[n]
		if c.EnableIPv4 != nil && !*c.EnableIPv4 {
			all = append(all, "network "+n+": enable_ipv4: false is not supported")
		}
		if len(c.Ipam.Options) > 0 {
			all = append(all, "network "+n+": options of ipam are not supported")
		}
		for _, pool := range c.Ipam.Config {
			if len(pool.AuxiliaryAddresses) > 0 {
				all = append(all, "network "+n+": aux_addresses of ipam are not supported")
			}
		}
	}
	file := func(kind, name string, c types.FileObjectConfig) {
		if bool(c.External) || c.Driver != "" || c.TemplateDriver != "" {
			all = append(all, kind+" "+name+": is kept or filled in by a swarm; give it file, environment or content")
		}
	}
	for _, n := range slices.Sorted(maps.Keys(p.Secrets)) {
		file("secret", n, types.FileObjectConfig(p.Secrets[n]))
	}
	for _, n := range slices.Sorted(maps.Keys(p.Configs)) {
		file("config", n, types.FileObjectConfig(p.Configs[n]))
	}
	return all
}

// unsupportedBuild tells what a build needs of BuildKit: the engine's own builder does not have it.
func unsupportedBuild(b *types.BuildConfig) []string {
	if b == nil {
		return nil
	}
	var all []string
	refuse := func(why string, keys map[string]bool) {
		for what, set := range keys {
			if set {
				all = append(all, "build: "+what+" "+why+"; build the image first and name it in image")
			}
		}
	}
	refuse("needs BuildKit", map[string]bool{
		"dockerfile_inline": b.DockerfileInline != "", "additional_contexts": len(b.AdditionalContexts) > 0, "ssh": len(b.SSH) > 0,
		"secrets": len(b.Secrets) > 0, "entitlements": len(b.Entitlements) > 0, "platforms": len(b.Platforms) > 0,
		"cache_to": len(b.CacheTo) > 0, "no_cache_filter": len(b.NoCacheFilter) > 0, "a context that is a URL": strings.Contains(b.Context, "://"),
	})
	refuse("is not supported", map[string]bool{
		"isolation": b.Isolation != "", "network": b.Network != "", "extra_hosts": len(b.ExtraHosts) > 0, "privileged": b.Privileged,
		"shm_size": b.ShmSize != 0, "ulimits": len(b.Ulimits) > 0, "no_cache": b.NoCache, "pull": b.Pull,
	})
	slices.Sort(all)
	return all
}
