package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	// LabelSidecar is on containers in which this program itself reaches into another: that one's part.
	LabelSidecar = "wringer.sidecar"
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
	var ids []string
	for _, c := range containers.Items {
		ids = append(ids, c.ID)
	}
	failed = append(failed, e.Remove(ctx, ids...))
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

const (
	// removeTries bounds how often the removal of containers is tried without any of them going.
	removeTries = 10
	removeAgain = 300 * time.Millisecond
)

// Remove ends containers and removes them with their anonymous volumes. It is idempotent. What an engine refuses is tried again, for
// some seconds: Podman refuses while others share a container's namespaces, and Docker while somebody else removes it.
func (e *Engine) Remove(ctx context.Context, ids ...string) error {
	for try := 1; len(ids) > 0; {
		var left []string
		var failed []error
		for _, id := range ids {
			_, err := e.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			if err := gone(err); err != nil {
				left, failed = append(left, id), append(failed, err)
			}
		}
		if len(left) == len(ids) {
			pause(ctx, removeAgain)
			if try++; try > removeTries || ctx.Err() != nil {
				return errors.Join(failed...)
			}
		}
		ids = left
	}
	return nil
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
