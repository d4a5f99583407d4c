package containers

import (
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
	for n, config := range s.Networks {
		refuse(config != nil && (config.Ipv4Address != "" || config.Ipv6Address != ""), "network "+n+": fixed addresses are not supported")
	}
	for _, p := range s.Ports {
		refuse(p.Protocol != "" && p.Protocol != "tcp", "port "+p.Protocol+" is not published: only TCP is")
	}
	refuse(len(s.ExternalLinks) > 0, "external_links is not supported")
	refuse(len(s.Links) > 0 && slices.ContainsFunc(s.Links, func(l string) bool { return strings.Contains(l, ":") }), "links with an alias are not supported; use a network alias")
	refuse(len(s.VolumesFrom) > 0, "volumes_from is not supported")
	refuse(len(s.Devices) > 0 || len(s.DeviceCgroupRules) > 0 || len(s.Gpus) > 0, "devices and gpus are not supported")
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
	for _, v := range s.Volumes {
		known := slices.Contains([]string{types.VolumeTypeVolume, types.VolumeTypeBind, types.VolumeTypeTmpfs}, v.Type)
		refuse(!known, "a volume of type "+v.Type+" is not supported")
		refuse(v.Bind != nil && v.Bind.SELinux != "", "SELinux labels of a bind mount are not supported")
	}
	refuse(s.Entrypoint != nil && len(s.Entrypoint) == 0 || s.Command != nil && len(s.Command) == 0, "an empty command or entrypoint is not supported")
	return append(all, unsupportedBuild(s.Build)...)
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
		"cache_to": len(b.CacheTo) > 0, "a context that is a URL": strings.Contains(b.Context, "://"),
	})
	refuse("is not supported", map[string]bool{
		"isolation": b.Isolation != "", "network": b.Network != "", "extra_hosts": len(b.ExtraHosts) > 0, "privileged": b.Privileged,
		"shm_size": b.ShmSize != 0, "ulimits": len(b.Ulimits) > 0, "no_cache": b.NoCache, "pull": b.Pull,
	})
	slices.Sort(all)
	return all
}
