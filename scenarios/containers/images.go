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
	"github.com/cpuguy83/dockercfg"
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
			jobs.Go(func() error {
				return env.Timed("build", s.Name, func() error { return p.build(ctx, s) })
			})
		case !pulled[s.Image]:
			pulled[s.Image] = true
			jobs.Go(func() error {
				if err := p.pull(ctx, s.Image, env); err != nil {
					return fmt.Errorf("image %s of container %s: %w", s.Image, s.Name, err)
				}
				return nil
			})
		}
	}
	return jobs.Wait()
}

// pull pulls an image that the engine does not have.
func (p *prepared) pull(ctx context.Context, image string, env scenarios.TargetEnv) error {
	_, err := p.engine.ImageInspect(ctx, image)
	if err == nil || !errdefs.IsNotFound(err) {
		return err
	}
	options, login, err := credentials(ctx, image)
	if err != nil {
		return err
	}
	err = env.Timed("pull", image, func() error {
		pulling, err := p.engine.ImagePull(ctx, image, options)
		if err != nil {
			return err
		}
		return watchPull(ctx, image, pulling, env)
	})
	if err != nil {
		return fmt.Errorf("the engine does not have it, and it cannot be pulled%s: %w; build or load it, or log in to its registry", login, err)
	}
	return nil
}

// credentials are the user's own for the image's registry, from the Docker command's configuration. login says which they are.
func credentials(ctx context.Context, image string) (options client.ImagePullOptions, login string, err error) {
	registry, auth, err := testcontainers.DockerImageAuth(ctx, image)
	switch {
	case errors.Is(err, dockercfg.ErrCredentialsNotFound):
		return options, " without a login", nil
	case err != nil:
		return options, fmt.Sprintf(" without a login (the Docker command's configuration: %v)", err), nil
	}
	auth.ServerAddress = cmp.Or(auth.ServerAddress, registry)
	options.RegistryAuth, err = authconfig.Encode(auth)
	switch {
	case auth.Username != "":
		login = " as " + auth.Username
	case auth.IdentityToken == "" && auth.RegistryToken == "":
		login = " without a login"
	}
	return options, login, err
}

// watchPull reports the bytes of all layers, and returns the error that the engine tells.
func watchPull(ctx context.Context, image string, pulling client.ImagePullResponse, env scenarios.TargetEnv) error {
	defer pulling.Close()
	type layer struct{ done, total int64 }
	layers := make(map[string]layer)
	for m, err := range pulling.JSONMessages(ctx) {
		switch {
		case err != nil:
			return err
		case m.Error != nil:
			return m.Error
		case m.Status == "Downloading" && m.Progress != nil:
			layers[m.ID] = layer{m.Progress.Current, m.Progress.Total}
		case m.Status == "Download complete":
			layers[m.ID] = layer{layers[m.ID].total, layers[m.ID].total}
		default:
			continue
		}
		step := scenarios.StartStep{What: image, Verb: "pull"}
		for _, l := range layers {
			step.Done, step.Total = step.Done+l.done, step.Total+l.total
		}
		env.Report(step)
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
	s.Image, err = p.retag(ctx, "wringer-built/"+s.Name, image)
	return err
}

// retag names an image by what it holds in place of the run that built it: the same image has one name, however many runs build
// it.
func (p *prepared) retag(ctx context.Context, repository, image string) (string, error) {
	inspected, err := p.engine.ImageInspect(ctx, image)
	if err != nil {
		return "", err
	}
	_, digest, _ := strings.Cut(inspected.ID, ":")
	name := repository + ":" + digest[:min(12, len(digest))]
	if _, err := p.engine.ImageTag(ctx, client.ImageTagOptions{Source: inspected.ID, Target: name}); err != nil {
		return "", err
	}
	_, err = p.engine.ImageRemove(ctx, image, client.ImageRemoveOptions{})
	return name, err
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
