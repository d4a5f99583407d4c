package toxiproxy

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"
)

// lookEvery is the interval between two looks whether the fault is in force, and lookWithin bounds one.
const (
	lookEvery  = 200 * time.Millisecond
	lookWithin = 2 * time.Second
)

// watch looks, while the fault is in force, whether the server still has it: others may reset the server, delete the proxy,
// or change the toxic. What passes while the fault is gone is not counted.
type watch struct {
	fault *Fault
	want  *proxy // as the server described it after the injection
	stop  context.CancelFunc
	ended sync.WaitGroup

	// Of the goroutine, and after its end.
	looked  time.Time // the last look
	missing bool      // the fault was not in force then
	gone    time.Duration
	first   error // why it was not in force, at first
}

// startWatch looks once. It returns an error if the fault is not in force.
func (f *Fault) startWatch(ctx context.Context) (*watch, error) {
	p, err := f.server.proxy(ctx, f.config.Proxy)
	if err != nil {
		return nil, err
	}
	w := &watch{fault: f, want: p, looked: time.Now()}
	if err := w.inForce(p); err != nil {
		return nil, err
	}
	return w, nil
}

// begin looks again and again, from now on.
func (w *watch) begin(ctx context.Context) {
	ctx, w.stop = context.WithCancel(context.WithoutCancel(ctx))
	w.ended.Go(func() { w.run(ctx) })
}

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look asks the server once. A server that does not say that the fault is in force counts as one without it.
func (w *watch) look(ctx context.Context) {
	begun := time.Now()
	bounded, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	p, err := w.fault.server.proxy(bounded, w.fault.config.Proxy)
	switch {
	case ctx.Err() != nil:
		return // the look was interrupted, and says nothing
	case errors.Is(err, errMissing):
		err = fmt.Errorf("proxy %s of %s is gone", w.fault.config.Proxy, w.fault.server)
	case err == nil:
		err = w.inForce(p)
	}
	if err == nil {
		err = w.fault.tap.Inject(ctx) // it may count again
	} else {
		err = errors.Join(err, w.fault.tap.Heal(ctx))
	}
	// The fault may have gone at any time since the look before.
	if err != nil || w.missing {
		w.gone += begun.Sub(w.looked)
	}
	if err != nil && w.first == nil {
		w.first = err
	}
	w.looked, w.missing = begun, err != nil
}

// inForce returns an error if the server's proxy is not as the fault left it.
func (w *watch) inForce(p *proxy) error {
	f := w.fault
	if f.config.Down {
		if p.Enabled {
			return fmt.Errorf("proxy %s of %s is up", p.Name, f.server)
		}
		return nil
	}
	now, before := w.mine(p), w.mine(w.want)
	switch {
	case now == nil || before == nil:
		return fmt.Errorf("proxy %s of %s has no toxic %s", p.Name, f.server, f.toxic)
	case p.Enabled != w.want.Enabled:
		return fmt.Errorf("proxy %s of %s is down", p.Name, f.server)
	case p.Upstream != w.want.Upstream:
		return fmt.Errorf("proxy %s of %s leads to %s, no longer to %s", p.Name, f.server, p.Upstream, w.want.Upstream)
	case p.Listen != w.want.Listen:
		return fmt.Errorf("proxy %s of %s listens on %s, not on %s", p.Name, f.server, p.Listen, w.want.Listen)
	case !reflect.DeepEqual(now, before):
		return fmt.Errorf("toxic %s of proxy %s of %s was changed", f.toxic, p.Name, f.server)
	}
	return nil
}

// mine is the fault's own toxic of a proxy; nil: it has none.
func (w *watch) mine(p *proxy) *toxic {
	at := slices.IndexFunc(p.Toxics, func(t toxic) bool { return t.Name == w.fault.toxic })
	if at < 0 {
		return nil
	}
	return &p.Toxics[at]
}

// end looks once more, and ends the watch. It returns for how long the fault was not in force, nil: never.
func (w *watch) end(ctx context.Context) error {
	w.stop()
	w.ended.Wait()
	w.look(ctx)
	if w.first == nil {
		return nil
	}
	return fmt.Errorf("was not in force for %v of its time: %w; something else changed the server: let nothing reset or change it during a run",
		w.gone.Round(10*time.Millisecond), w.first)
}
