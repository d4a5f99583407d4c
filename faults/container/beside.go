package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"wringer/faults/container/packets"
	"wringer/faults/container/sidecar"
)

// beside is a sidecar: a container of this program in the namespaces of another.
type beside struct {
	*sidecar.Client
	engine *Engine
	id     string
}

// capabilities of a sidecar: dropping packets, reading the container's folders, and limiting processes of whatever user. An engine
// that is in a container itself may lack the last, which limiting root's own processes does without.
var (
	capabilities     = []string{"NET_ADMIN", "SYS_PTRACE", "DAC_OVERRIDE", "SYS_RESOURCE"}
	fewCapabilities  = capabilities[:3]
	noCapabilityText = "unable to apply caps"
)

// startSidecar starts a sidecar beside a running container. It ends with the container, with the connection to it, and with the run.
func (e *Engine) startSidecar(ctx context.Context, id, name string) (*beside, error) {
	ctx, cancel := context.WithTimeout(ctx, sidecarWithin)
	defer cancel()
	image, err := e.OwnImage(ctx, nil)
	if err != nil {
		return nil, err
	}
	of, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	host := of.Container.HostConfig
	if host.PidMode != "" && !host.PidMode.IsPrivate() || host.NetworkMode.IsHost() {
		return nil, errors.New("it shares its processes or its network with others, so that nothing can be beside it alone")
	}
	b, err := e.sidecarWith(ctx, of.Container, name, image, capabilities)
	if err != nil && strings.Contains(err.Error(), noCapabilityText) {
		b, err = e.sidecarWith(ctx, of.Container, name, image, fewCapabilities)
	}
	return b, err
}

// sidecarWith starts a sidecar of an image beside a container, with capabilities.
func (e *Engine) sidecarWith(ctx context.Context, of moby.InspectResponse, name, image string, capabilities []string) (*beside, error) {
	made, err := e.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &moby.Config{
			Image: image, Entrypoint: []string{OwnProgram}, Cmd: []string{"sidecar"}, User: "0",
			OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
			Labels: map[string]string{LabelRun: of.Config.Labels[LabelRun], LabelSidecar: name},
		},
		HostConfig: &moby.HostConfig{
			NetworkMode: moby.NetworkMode("container:" + of.ID), PidMode: moby.PidMode("container:" + of.ID),
			CapDrop: []string{"ALL"}, CapAdd: capabilities, ReadonlyRootfs: true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make a sidecar: %w", err)
	}
	b := &beside{engine: e, id: made.ID}
	said, err := b.begin(ctx)
	if err != nil {
		text := strings.TrimSpace(said.String())
		if text != "" {
			text = ": " + text
		}
		return nil, errors.Join(fmt.Errorf("start a sidecar: %w%s", err, text), b.close())
	}
	return b, nil
}

// begin starts the sidecar and waits for its first answer.
func (b *beside) begin(ctx context.Context) (said *output, err error) {
	said = &output{}
	attached, err := b.engine.ContainerAttach(ctx, b.id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return said, err
	}
	reader, writer := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(writer, said, attached.Reader)
		writer.CloseWithError(err) // nil: the end
	}()
	b.Client = sidecar.NewClient(&attachment{reader, &attached.HijackedResponse})
	if _, err := b.engine.ContainerStart(ctx, b.id, client.ContainerStartOptions{}); err != nil {
		return said, err
	}
	return said, b.Do(ctx, packets.CallReachable, packets.Table{}, nil)
}

// close ends the sidecar and removes it.
func (b *beside) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	if b.Client != nil {
		_ = b.Client.Close() // removed below, whatever the connection says
	}
	if err := b.engine.Remove(ctx, b.id); err != nil {
		return fmt.Errorf("remove a sidecar: %w", err)
	}
	return nil
}

// attachment is the input and the output of a container.
type attachment struct {
	*io.PipeReader
	to *client.HijackedResponse
}

func (a *attachment) Write(p []byte) (int, error) { return a.to.Conn.Write(p) }

// Close implements io.Closer: the reading ends too.
func (a *attachment) Close() error { return errors.Join(a.to.Conn.Close(), a.PipeReader.Close()) }

// output keeps what a sidecar complains of. Safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// mostComplaint bounds what is kept, in bytes.
const mostComplaint = 4 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p[:min(len(p), max(0, mostComplaint-o.text.Len()))])
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
