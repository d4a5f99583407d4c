package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"wringer/faults"
)

// ExecUndoKind is the kind of the entries of commands in a journal.
const ExecUndoKind = "container-exec"

// Run implements faults.Inside by the engine.
func (c *Container) Run(ctx context.Context, command faults.Command, out io.Writer) error {
	if err := c.spec.Engine.run(ctx, c.spec.ID, command, out); err != nil {
		return fmt.Errorf("container %s: %w", c.spec.Name, err)
	}
	return nil
}

func (e *Engine) run(ctx context.Context, id string, command faults.Command, out io.Writer) error {
	made, err := e.ExecCreate(ctx, id, client.ExecCreateOptions{
		AttachStdout: true, AttachStderr: true, Env: command.Env, WorkingDir: command.Dir, Cmd: command.Words,
	})
	if err != nil {
		return err
	}
	attached, err := e.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return err
	}
	defer attached.Close()
	stop := context.AfterFunc(ctx, func() {
		e.killExec(context.WithoutCancel(ctx), id, made.ID)
		attached.Close()
	})
	_, err = stdcopy.StdCopy(out, out, attached.Reader)
	if !stop() {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return e.status(ctx, made.ID)
}

// status is nil for a command that ended with 0. The engine may learn of an end a moment after the output has ended.
func (e *Engine) status(ctx context.Context, exec string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ended, err := e.ExecInspect(ctx, exec, client.ExecInspectOptions{})
		switch {
		case err != nil:
			return err
		case !ended.Running && ended.ExitCode != 0:
			return faults.ExitStatus(ended.ExitCode)
		case !ended.Running:
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// killExec kills a command that takes too long. The engine has no call for it: its process can be reached on this machine alone.
func (e *Engine) killExec(ctx context.Context, id, exec string) {
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	running, err := e.ExecInspect(ctx, exec, client.ExecInspectOptions{})
	if err == nil && running.Running && runsHere(id, running.PID) {
		if p, err := os.FindProcess(running.PID); err == nil {
			_ = p.Kill()
		}
	}
}

// Place is a container in an engine, as a journal keeps it.
type Place struct {
	Endpoint string `json:"endpoint"`
	ID       string `json:"id"`
	Name     string `json:"name"`
}

// Place is where the container is.
func (c *Container) Place() Place {
	return Place{Endpoint: c.spec.Engine.Endpoint, ID: c.spec.ID, Name: c.spec.Name}
}

// Undo calls undo with the engine of the place. A container that is gone has nothing to undo.
func (p Place) Undo(ctx context.Context, undo func(e *Engine) error) error {
	if p.ID == "" {
		return errors.New("entry of a container: names none")
	}
	e, err := Open(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	if e.Endpoint != p.Endpoint {
		return fmt.Errorf("the run used the engine at %s, and %s answers now: set DOCKER_HOST=%s", p.Endpoint, e.Endpoint, p.Endpoint)
	}
	if _, err := e.ContainerInspect(ctx, p.ID, client.ContainerInspectOptions{}); errdefs.IsNotFound(err) {
		return nil
	}
	if err := undo(e); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("container %s: %w", p.Name, err)
	}
	return nil
}

// Leftover implements faults.Inside.
func (c *Container) Leftover(command faults.Command) (kind string, data any) {
	return ExecUndoKind, leftCommand{c.Place(), command}
}

// leftCommand is the undo command of a run that was killed.
type leftCommand struct {
	Place
	Command faults.Command `json:"command"`
}

// UndoExec runs the undo command of a run that was killed. In a container that does not run there is nothing to undo.
func UndoExec(ctx context.Context, data json.RawMessage) error {
	var l leftCommand
	if err := json.Unmarshal(data, &l); err != nil {
		return fmt.Errorf("entry of a command in a container: %w", err)
	}
	if len(l.Command.Words) == 0 {
		return errors.New("entry of a command in a container: it names no command")
	}
	return l.Undo(ctx, func(e *Engine) error {
		state, err := e.ContainerInspect(ctx, l.ID, client.ContainerInspectOptions{})
		if err != nil || !state.Container.State.Running {
			return err
		}
		var out strings.Builder
		if err := e.run(ctx, l.ID, l.Command, &out); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(l.Command.Words, " "), err, strings.TrimSpace(out.String()))
		}
		return nil
	})
}
