package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Labels of whatever a run makes in an engine.
const (
	LabelRun   = "wringer.run"   // the run's mark
	LabelPart  = "wringer.part"  // the part's name
	LabelImage = "wringer.image" // on images that a run built; they stay as a cache
	// LabelKept is on a volume that marks what a run kept and no run uses: the hash of the configuration, by which a later run finds
	// it.
	LabelKept = "wringer.kept"
	// LabelRelay is on containers in which this program itself takes connections for links: their number.
	LabelRelay = "wringer.relay"
	// LabelLink with a link's name is on containers: the address on which the link listens.
	LabelLink = "wringer.link."
)

// UndoKind is the kind of this package's entries in a journal.
const UndoKind = "container"

// Leftover is what a killed run may leave in an engine: everything that carries its mark.
type Leftover struct {
	Run      string `json:"run"`
	Endpoint string `json:"endpoint"`
}

// Undo removes a killed run's containers, networks and volumes.
func Undo(ctx context.Context, data json.RawMessage) error {
	var l Leftover
	if err := json.Unmarshal(data, &l); err != nil {
		return fmt.Errorf("entry of containers: %w", err)
	}
	if l.Run == "" {
		return errors.New("entry of containers: names no run")
	}
	e, err := Open(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	if e.Endpoint != l.Endpoint {
		return fmt.Errorf("the run used the engine at %s, and %s answers now: set DOCKER_HOST=%s", l.Endpoint, e.Endpoint, l.Endpoint)
	}
	return e.RemoveRun(ctx, l.Run)
}

// RemoveRun removes the containers, networks and volumes of a run. It is idempotent.
func (e *Engine) RemoveRun(ctx context.Context, run string) error {
	mine := make(client.Filters).Add("label", LabelRun+"="+run)
	var failed []error
	containers, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
	failed = append(failed, err)
	for _, c := range containers.Items {
		_, err := e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		failed = append(failed, gone(err))
	}
	networks, err := e.NetworkList(ctx, client.NetworkListOptions{Filters: mine})
	failed = append(failed, err)
	for _, n := range networks.Items {
		_, err := e.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		failed = append(failed, gone(err))
	}
	volumes, err := e.VolumeList(ctx, client.VolumeListOptions{Filters: mine})
	failed = append(failed, err)
	for _, v := range volumes.Items {
		_, err := e.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
		failed = append(failed, gone(err))
	}
	return errors.Join(failed...)
}

// RemoveImages removes the images that runs built, and returns their names.
func (e *Engine) RemoveImages(ctx context.Context) ([]string, error) {
	images, err := e.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("label", LabelImage)})
	if err != nil {
		return nil, err
	}
	var removed []string
	var failed []error
	for _, i := range images.Items {
		if _, err := e.ImageRemove(ctx, i.ID, client.ImageRemoveOptions{Force: true, PruneChildren: true}); gone(err) != nil {
			failed = append(failed, err)
			continue
		}
		removed = append(removed, append(i.RepoTags, i.ID)[0])
	}
	return removed, errors.Join(failed...)
}

// gone is err, unless it says that there is nothing to remove.
func gone(err error) error {
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}
