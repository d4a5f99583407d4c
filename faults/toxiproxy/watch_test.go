package toxiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wringer/faults"
	"wringer/faults/memnet"
	"wringer/faults/toxi"
)

// A fault that somebody else undid tells it, stops to count, and heals. One that nobody touched tells nothing.
func TestTellsThatItWasUndone(t *testing.T) {
	latency := Config{Toxic: "latency", Attributes: map[string]any{"latency": 5}}
	for name, tt := range map[string]struct {
		config Config
		undo   func(t *testing.T, r *rig, f *Fault) error
		told   string
	}{
		"untouched":      {latency, func(*testing.T, *rig, *Fault) error { return nil }, ""},
		"untouched down": {Config{Down: true}, func(*testing.T, *rig, *Fault) error { return nil }, ""},
		"reset": {latency, func(t *testing.T, r *rig, _ *Fault) error {
			return r.server.call(t.Context(), http.MethodPost, "/reset", nil, nil)
		}, "has no toxic"},
		"made anew": {latency, func(t *testing.T, r *rig, _ *Fault) error {
			p, err := r.server.proxy(t.Context(), "orders")
			if err != nil {
				return err
			}
			made := map[string]any{"name": "orders", "listen": p.Listen, "upstream": "127.0.0.1:1", "enabled": true}
			// In one call: the watch could see that the proxy is gone between two.
			return r.server.call(t.Context(), http.MethodPost, "/populate", []any{made}, nil)
		}, "has no toxic"},
		"deleted": {latency, func(t *testing.T, r *rig, _ *Fault) error {
			return r.server.call(t.Context(), http.MethodDelete, path("orders"), nil, nil)
		}, "is gone"},
		"changed": {latency, func(t *testing.T, r *rig, f *Fault) error {
			change := map[string]any{"attributes": map[string]any{"latency": 0}}
			return r.server.call(t.Context(), http.MethodPost, path("orders")+"/toxics/"+f.toxic, change, nil)
		}, "was changed"},
		"stopped": {latency, func(t *testing.T, r *rig, _ *Fault) error {
			return r.server.enable(t.Context(), "orders", false)
		}, "is down"},
		"led elsewhere": {latency, func(t *testing.T, r *rig, _ *Fault) error {
			return r.server.call(t.Context(), http.MethodPost, path("orders"), map[string]any{"upstream": "127.0.0.1:1", "enabled": true}, nil)
		}, "127.0.0.1:1, no longer to"},
		"brought up": {Config{Down: true}, func(t *testing.T, r *rig, _ *Fault) error {
			return r.server.enable(t.Context(), "orders", true)
		}, "is up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			f := r.open(t, tt.config, nil)
			undone, begun := make(chan error, 1), time.Now()
			in := faults.Timeline{
				Plan:  []faults.Planned{{Name: "slow", For: 3 * lookEvery, Fault: f}},
				Clock: func() time.Duration { return time.Since(begun) },
				Notify: func(e faults.Event) {
					if e.Step == faults.Injected {
						undone <- tt.undo(t, r, f)
					}
				},
			}.Run(t.Context())[0]
			if err := <-undone; err != nil {
				t.Fatal(err)
			}
			if tt.told == "" {
				if in.LapseErr != nil || !in.Healed {
					t.Errorf("untouched: %v, %v", in.LapseErr, in.Err())
				}
				return
			}
			if in.LapseErr == nil || !strings.Contains(in.LapseErr.Error(), tt.told) || !strings.Contains(in.LapseErr.Error(), "slow: was not in force for ") {
				t.Errorf("it tells %v", in.LapseErr)
			}
		})
	}
}

// A server that blocks as it adds the toxic holds nothing up: the fault was not injected, and the reason names the remedy. In
// virtual time the answer comes within the bound, however busy the machine is.
func TestAServerThatBlocksEndsTheFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var memory memnet.Network
		network := faults.Network{ListenFunc: memory.Listen, DialFunc: memory.Dial, Virtual: true}
		l, err := network.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		blocked := make(chan struct{})
		api := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_ = json.NewEncoder(w).Encode(proxy{Name: "orders", Listen: "127.0.0.1:1", Enabled: true})
				return
			}
			<-blocked
		})}
		go api.Serve(l)
		defer api.Close()
		defer close(blocked)
		mesh, err := toxi.NewMesh(network, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer mesh.Close(context.Background())
		link, err := mesh.Link("orders")
		if err != nil {
			t.Fatal(err)
		}
		c := Config{Toxic: "latency", Server: "http://" + l.Addr().String(), Proxy: "orders", Through: "orders"}
		f, err := c.Open(faults.Env{Link: func(string) (faults.Link, error) { return link, nil }, Dial: network.Dial})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		in := faults.Timeline{
			Plan:  []faults.Planned{{Name: "slow", For: time.Second, Fault: f}},
			Clock: func() time.Duration { return time.Since(begun) },
		}.Run(t.Context())[0]
		if in.InjectErr == nil || in.Healed || !strings.Contains(in.InjectErr.Error(), "restart the server") {
			t.Errorf("injection %v, healed %t", in.InjectErr, in.Healed)
		}
	})
}

// What passes while the fault is gone does not count.
func TestCountsNothingWhileItIsGone(t *testing.T) {
	r := newRig(t)
	f := r.open(t, Config{Toxic: "latency", Attributes: map[string]any{"latency": 5}}, nil)
	if err := f.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.server.call(t.Context(), http.MethodPost, "/reset", nil, nil); err != nil {
		t.Fatal(err)
	}
	for f.tap.Probe(t.Context()) != nil { // the next look puts the counting out of force
		time.Sleep(time.Millisecond)
	}
	if err := r.meet(t.Context()); err != nil {
		t.Error(err)
	}
	if b := f.Bite(); b.Bit {
		t.Errorf("bite %+v", b)
	}
	if err := errors.Join(f.Heal(t.Context()), f.Probe(t.Context())); err != nil {
		t.Error(err)
	}
}
