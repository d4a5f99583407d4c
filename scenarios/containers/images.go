package containers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"

	"wringer/faults/container"
	"wringer/scenarios"
)

// images pulls and builds, side by side, what the engine does not have yet. It sets the image of the services that are built.
func (p *prepared) images(ctx context.Context, services []Service, env scenarios.TargetEnv) error {
	jobs, ctx := errgroup.WithContext(ctx)
	jobs.SetLimit(4)
	pulled := make(map[string]bool)
	for i := range services {
		s := &services[i]
		switch {
		case s.Build != nil:
			jobs.Go(func() error { return p.build(ctx, s) })
		case !pulled[s.Image]:
			pulled[s.Image] = true
			jobs.Go(func() error {
				if err := p.pull(ctx, s.Image); err != nil {
					return fmt.Errorf("image %s of container %s: %w", s.Image, s.Name, err)
				}
				return nil
			})
		}
	}
	return jobs.Wait()
}

// pull pulls an image that the engine does not have.
func (p *prepared) pull(ctx context.Context, image string) error {
	_, err := p.engine.ImageInspect(ctx, image)
	if err == nil || !errdefs.IsNotFound(err) {
		return err
	}
	var options client.ImagePullOptions
	if registry, auth, err := testcontainers.DockerImageAuth(ctx, image); err == nil {
		auth.ServerAddress = cmp.Or(auth.ServerAddress, registry)
		if options.RegistryAuth, err = authconfig.Encode(auth); err != nil {
			return err
		}
	}
	pulling, err := p.engine.ImagePull(ctx, image, options)
	if err == nil {
		err = pulling.Wait(ctx)
		err = errors.Join(err, pulling.Close())
	}
	if err != nil {
		return fmt.Errorf("the engine does not have it, and it cannot be pulled: %w; build or load it, or log in to its registry", err)
	}
	return nil
}

// build builds a service's image. It stays in the engine as a cache.
func (p *prepared) build(ctx context.Context, s *Service) error {
	var said bytes.Buffer
	request := &testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		Context: s.Build.Context, Dockerfile: s.Build.Dockerfile, BuildArgs: s.Build.Args,
		Repo: "wringer-built/" + s.Name, Tag: p.run, KeepImage: true, BuildLogWriter: io.Writer(&said),
		BuildOptionsModifier: func(o *client.ImageBuildOptions) {
			o.Target = s.Build.Stage
			o.Labels = map[string]string{container.LabelImage: s.Name}
		},
	}}
	image, err := p.engine.Provider.BuildImage(ctx, request)
	if err != nil {
		return fmt.Errorf("build container %s from %s: %w%s", s.Name, s.Build.Context, err, lastLines(said.String()))
	}
	s.Image = image
	return nil
}

// lastLines are the last lines of a build's output, for an error.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	const most = 10
	return "; its last lines:\n" + strings.Join(lines[max(0, len(lines)-most):], "\n")
}
