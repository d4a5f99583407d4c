package containers

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"wringer/faults/container"
)

// volumes makes the named volumes of the services. Podman would make them too, but without the labels by which they are removed.
func (p *prepared) volumes(ctx context.Context, c *Compose) error {
	if p.adopted != nil {
		return nil
	}
	used := make(map[string]bool)
	for _, n := range c.names() {
		for _, v := range c.project.Services[n].Volumes {
			used[v.Source] = v.Type == types.VolumeTypeVolume && v.Source != ""
		}
	}
	for _, n := range slices.Sorted(maps.Keys(used)) {
		config := c.project.Volumes[n]
		if !used[n] {
			continue
		}
		if config.External {
			if _, err := p.engine.VolumeInspect(ctx, config.Name, client.VolumeInspectOptions{}); err != nil {
				return fmt.Errorf("volume %s is external, so that something else must have made it: %w", n, err)
			}
			continue
		}
		_, err := p.engine.VolumeCreate(ctx, client.VolumeCreateOptions{
			Name: p.volume(n), Driver: config.Driver, DriverOpts: config.DriverOpts, Labels: map[string]string{container.LabelRun: p.run},
		})
		if err != nil {
			return fmt.Errorf("make volume %s: %w", n, err)
		}
	}
	return nil
}

// volume names the run's own volume for one of the file.
func (p *prepared) volume(name string) string { return p.network + "-" + name }

// mount is a volume of a service. Named volumes are the run's own.
func (p *prepared) mount(project *types.Project, v types.ServiceVolumeConfig) mount.Mount {
	m := mount.Mount{Type: mount.Type(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly}
	switch v.Type {
	case types.VolumeTypeVolume:
		m.VolumeOptions = &mount.VolumeOptions{Labels: map[string]string{container.LabelRun: p.run}}
		if v.Source == "" {
			break
		}
		if config := project.Volumes[v.Source]; config.External {
			m.Source, m.VolumeOptions = config.Name, nil
			break
		}
		m.Source = p.volume(v.Source)
		if v.Volume != nil {
			m.VolumeOptions.NoCopy, m.VolumeOptions.Subpath = v.Volume.NoCopy, v.Volume.Subpath
		}
	case types.VolumeTypeBind:
		m.BindOptions = &mount.BindOptions{CreateMountpoint: v.Bind == nil || bool(v.Bind.CreateHostPath)}
		if v.Bind != nil && v.Bind.Propagation != "" {
			m.BindOptions.Propagation = mount.Propagation(v.Bind.Propagation)
		}
	case types.VolumeTypeTmpfs:
		if v.Tmpfs != nil {
			m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(v.Tmpfs.Size), Mode: os.FileMode(v.Tmpfs.Mode)}
		}
	}
	return m
}
