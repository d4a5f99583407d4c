package toxiproxy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"wringer/faults"
)

// Fault is a fault on a proxy. Its toxic has a unique name, to distinguish it from toxics found on the server.
type Fault struct {
	config  Config
	server  server
	toxic   string
	tap     faults.Fault
	journal *faults.Journal

	evidence evidence

	mu    sync.Mutex
	made  bool         // the server was asked for a change, and the change is not known to be undone
	noted func() error // records in the journal that the change was undone
	watch *watch       // nil while not in force
	lapse error        // why the fault was not in force for a part of its time
}

// toxicName makes a random name of 26 letters and digits (128 bits).
func toxicName() string { return "wringer-" + rand.Text() }

// UndoKind is the kind of this package's entries in a journal.
const UndoKind = "toxiproxy"

// undo is the content of a journal entry.
type undo struct {
	Server string `json:"server"`
	Proxy  string `json:"proxy"`
	Toxic  string `json:"toxic,omitempty"` // to remove
	Down   bool   `json:"down,omitempty"`  // to bring up
}

// Undo carries out an entry of UndoKind: it removes the toxic, or brings the proxy up. It is idempotent.
func Undo(ctx context.Context, data json.RawMessage) error {
	var u undo
	if err := json.Unmarshal(data, &u); err != nil {
		return fmt.Errorf("undo on a toxiproxy server: %w", err)
	}
	return u.on(ctx, server{url: u.Server})
}

func (u undo) on(ctx context.Context, s server) error {
	if !u.Down {
		return s.remove(ctx, u.Proxy, u.Toxic)
	}
	// A proxy that is up is left alone, because starting it again would cut its connections.
	p, err := s.proxy(ctx, u.Proxy)
	if errors.Is(err, errMissing) || err == nil && p.Enabled {
		return nil
	}
	if err != nil {
		return err
	}
	return s.enable(ctx, u.Proxy, true)
}

func (f *Fault) undo() undo {
	u := undo{Server: f.server.url, Proxy: f.config.Proxy, Down: f.config.Down}
	if !u.Down {
		u.Toxic = f.toxic
	}
	return u
}

// Inject implements faults.Fault. It is idempotent.
func (f *Fault) Inject(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil || f.made {
		return err
	}
	f.lapse = nil
	if f.config.Down {
		// A proxy that was down before must stay down after healing.
		if p, err := f.server.proxy(ctx, f.config.Proxy); err != nil {
			return err
		} else if !p.Enabled {
			return fmt.Errorf("proxy %s of %s is down already", f.config.Proxy, f.server)
		}
	}
	noted, err := f.journal.Due(UndoKind, f.config.words(), f.undo())
	if err != nil {
		return err
	}
	f.made, f.noted = true, noted
	if f.config.Down { // the proxy ends its connections at once
		f.evidence.rule.Store(down)
		if err := f.tap.Inject(ctx); err != nil {
			return err
		}
	}
	if err := f.apply(ctx); err != nil {
		return err
	}
	if f.watch, err = f.startWatch(ctx); err != nil {
		return err
	}
	if !f.config.Down {
		f.evidence.rule.Store(f.watch.mine(f.watch.want).rule())
	}
	f.watch.begin(ctx)
	return f.tap.Inject(ctx)
}

func (f *Fault) apply(ctx context.Context) error {
	if f.config.Down {
		return f.server.enable(ctx, f.config.Proxy, false)
	}
	t := toxic{Name: f.toxic, Type: f.config.Toxic, Stream: f.config.Stream, Toxicity: 1, Attributes: f.config.Attributes}
	if f.config.Toxicity != nil {
		t.Toxicity = *f.config.Toxicity
	}
	if t.Attributes == nil {
		t.Attributes = map[string]any{}
	}
	return f.server.add(ctx, f.config.Proxy, t)
}

// Heal implements faults.Fault. A server with a wedged proxy does not answer; then Heal returns the error of ctx.
// Removing a toxic under load can wedge a proxy.
func (f *Fault) Heal(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.made {
		return nil
	}
	if f.watch != nil {
		f.lapse = f.watch.end(ctx)
		f.watch = nil
	}
	if err := errors.Join(f.tap.Heal(ctx), f.undo().on(ctx, f.server)); err != nil {
		return err
	}
	f.made = false
	return f.noted()
}

// Lapse implements faults.Watched.
func (f *Fault) Lapse() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lapse
}

// Probe implements faults.Fault. It returns nil if the server no longer has the toxic, or has the proxy up again.
func (f *Fault) Probe(ctx context.Context) error {
	p, err := f.server.proxy(ctx, f.config.Proxy)
	switch {
	case err != nil:
		return err
	case f.config.Down && !p.Enabled:
		return fmt.Errorf("%w: proxy %s of %s is still down", faults.ErrLeaked, p.Name, f.server)
	case slices.ContainsFunc(p.Toxics, func(t toxic) bool { return t.Name == f.toxic }):
		return fmt.Errorf("%w: proxy %s of %s still has toxic %s", faults.ErrLeaked, p.Name, f.server, f.toxic)
	}
	return f.tap.Probe(ctx)
}

// Bite implements faults.Fault. It counts, on the stream's connections to the proxy's port, what the fault changed while it was
// in force.
func (f *Fault) Bite() faults.Bite { return f.evidence.bite(f.tap.Bite()) }
