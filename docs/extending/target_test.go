package extending

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/faults"
	"wringer/faults/faulttest"
	"wringer/faults/part"
	"wringer/scenarios"
)

// CounterConfig is the target `counter:`: an HTTP service that counts.
type CounterConfig struct {
	Listen string `yaml:"listen" jsonschema_description:"The address to listen on. Default: a free port of loopback."`
}

// Check implements scenarios.TargetConfig.
func (c *CounterConfig) Check(problem func(field, message string)) {
	if c.Listen != "" && !strings.Contains(c.Listen, ":") {
		problem("listen", "must be host:port, as in 127.0.0.1:8080")
	}
}

// Variables implements scenarios.TargetConfig: what Vars will define, as ${counter.url}.
func (c *CounterConfig) Variables() []string { return []string{"url"} }

// PartNames implements scenarios.TargetConfig: what faults may name.
func (c *CounterConfig) PartNames() []string { return []string{"service"} }

// Start implements scenarios.TargetConfig. It returns when the service takes connections.
func (c *CounterConfig) Start(context.Context, scenarios.TargetEnv) (scenarios.Target, error) {
	address := c.Listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	inlet, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("counter: %w", err)
	}
	t := &counter{url: "http://" + inlet.Addr().String()}
	t.server = &http.Server{Handler: t}
	t.served.Go(func() { t.server.Serve(inlet) })
	return t, nil
}

// counter is a running counter. It is its own one part.
type counter struct {
	url    string
	server *http.Server
	served sync.WaitGroup
	count  atomic.Int64
	met    atomic.Int64

	mu     sync.Mutex
	frozen chan struct{} // closed by Resume; nil while it is not paused
}

// Vars implements scenarios.Target.
func (t *counter) Vars() map[string]string { return map[string]string{"url": t.url} }

// Parts implements scenarios.Target.
func (t *counter) Parts() map[string]faults.Part { return map[string]faults.Part{"service": t} }

// Close implements scenarios.Target.
func (t *counter) Close(ctx context.Context) error {
	err := t.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, t.server.Close())
	}
	t.served.Wait()
	return err
}

// ServeHTTP counts. While the part is paused a request waits, and is counted as one that met the fault.
func (t *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if frozen := t.pausing(); frozen != nil {
		t.met.Add(1)
		select {
		case <-frozen:
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprintln(w, t.count.Add(1))
}

func (t *counter) pausing() chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.frozen
}

// Pause implements faults.Part.
func (t *counter) Pause(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil || t.frozen != nil {
		return err
	}
	t.frozen = make(chan struct{})
	return nil
}

// Resume implements faults.Part.
func (t *counter) Resume(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil || t.frozen == nil {
		return err
	}
	close(t.frozen)
	t.frozen = nil
	return nil
}

// Kill implements faults.Part.
func (t *counter) Kill(context.Context) error {
	return faults.ErrUnsupported{Part: "service", Verb: "kill"}
}

// Start implements faults.Part.
func (t *counter) Start(context.Context) error { return nil }

// Met implements faults.Part.
func (t *counter) Met() int64 { return t.met.Load() }

// Ready implements faults.Part.
func (t *counter) Ready(context.Context) error {
	if t.pausing() != nil {
		return errors.New("the counter is paused")
	}
	return nil
}

// ask sends one request over a connection of its own.
func (t *counter) ask(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return err
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// TestCounterIsPaused holds the part to the suite that every fault passes, by the fault that pauses parts.
func TestCounterIsPaused(t *testing.T) {
	faulttest.Run(t, func(t *testing.T) faulttest.Rig {
		target, err := new(CounterConfig).Start(t.Context(), scenarios.TargetEnv{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
			defer cancel()
			if err := target.Close(ctx); err != nil {
				t.Error(err)
			}
		})
		env := faults.Env{Part: func(name string) (faults.Part, error) { return target.Parts()[name], nil }}
		config := &part.Config{Pause: "service"}
		fault, err := config.Open(env)
		if err != nil {
			t.Fatal(err)
		}
		return faulttest.Rig{Config: config, Fault: fault, Meet: target.(*counter).ask}
	})
}
