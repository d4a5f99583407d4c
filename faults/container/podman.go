package container

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// podmanLimits are limits as Podman's own API takes them, in the form of the OCI runtime specification. 0 leaves one as it is.
type podmanLimits struct {
	CPU struct {
		Quota  int64 `json:"quota,omitempty"`
		Period int64 `json:"period,omitempty"`
	} `json:"cpu"`
	Memory struct {
		Limit int64 `json:"limit,omitempty"`
		Swap  int64 `json:"swap,omitempty"`
	} `json:"memory"`
}

// mostSaid bounds what is read of an answer, in bytes.
const mostSaid = 4 << 10

// updatePodman changes the limits of a container by Podman's own API: the one that it shares with Docker lacks this in Podman 4. The
// change is not in what Podman tells of the container, and ends with its life.
func (e *Engine) updatePodman(ctx context.Context, id string, r container.Resources) error {
	var l podmanLimits
	l.CPU.Quota, l.CPU.Period, l.Memory.Limit, l.Memory.Swap = r.CPUQuota, r.CPUPeriod, r.Memory, r.MemorySwap
	if r.NanoCPUs > 0 {
		l.CPU.Period = cmp.Or(r.CPUPeriod, cpuPeriod)
		l.CPU.Quota = r.NanoCPUs * l.CPU.Period / 1e9
	}
	body, err := json.Marshal(l)
	if err != nil {
		return err
	}
	status, said, err := e.podman(ctx, http.MethodPost, "/containers/"+id+"/update", body)
	if err != nil || status/100 == 2 {
		return err
	}
	return fmt.Errorf("the engine cannot change the limits of a container that runs: %s: %s", http.StatusText(status), said)
}

// checkPodman lets Podman make a container's health check once: it makes them by timers of systemd, which not every machine has. The
// outcome stands in what it tells of the container. Another engine does not know the request.
func (e *Engine) checkPodman(ctx context.Context, id string) {
	if e.noPodman.Load() {
		return
	}
	if status, _, err := e.podman(ctx, http.MethodGet, "/containers/"+id+"/healthcheck", nil); err == nil && status == http.StatusNotFound {
		e.noPodman.Store(true)
	}
}

// podman makes a request of Podman's own API. said is the begin of the answer.
func (e *Engine) podman(ctx context.Context, method, path string, body []byte) (status int, said string, err error) {
	answer, err := raw(ctx, e.Client, method, "/v4.0.0/libpod"+path, body)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, mostSaid)) // the status tells enough
	return answer.StatusCode, strings.TrimSpace(string(text)), nil
}

// raw makes a request that the client has no words for, over a connection of its own.
func raw(ctx context.Context, c *client.Client, method, path string, body []byte) (*http.Response, error) {
	dial := c.Dialer()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	asked, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	asked.Header.Set("Content-Type", "application/json")
	return transport.RoundTrip(asked)
}

// servers are the engines by what they call themselves as servers.
var servers = map[string]string{"Docker": "Docker", "Libpod": "Podman"}

// serverOf names the engine with its version, as it calls itself in an answer: asked for its version, Podman takes seconds.
func serverOf(ctx context.Context, c *client.Client) (string, error) {
	answer, err := raw(ctx, c, http.MethodGet, "/_ping", nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	said, _, _ := strings.Cut(answer.Header.Get("Server"), " ")
	kind, version, _ := strings.Cut(said, "/")
	if known := servers[kind]; known != "" {
		return known + " " + version, nil
	}
	return strings.TrimSpace("a container engine " + said), nil
}
