package containers

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"wringer/faults/container"
)

// heard is what the engine told of the run's containers. Its zero value is useful. Safe for concurrent use.
type heard struct {
	mu    sync.Mutex
	last  int64 // the time of the last event, in nanoseconds of the engine's clock
	seen  map[event]bool
	ended map[string]bool // by container
	ends  map[string]int  // that were told, by container
}

// event identifies an event: a stream that broke off is asked for from the last event on, which tells some twice.
type event struct {
	at     int64
	id     string
	action events.Action
}

const (
	// hearAgain is the pause before a broken stream of events is asked for again.
	hearAgain = 200 * time.Millisecond
	// restWithin bounds the time in which the engine tells the last events at the end of a run.
	restWithin = 5 * time.Second
)

// watch hears from the engine which containers ended and started, until ctx ends.
func (t *target) watch(ctx context.Context) {
	stream := t.listen(ctx, time.Time{})
	t.watched.Go(func() {
		for {
			t.hearAll(stream)
			select {
			case <-time.After(hearAgain):
			case <-ctx.Done():
				return
			}
			stream = t.listen(ctx, time.Time{})
		}
	})
}

// podmanDie is Podman's own word for the end of a container: it chooses events by this one, and tells them by Docker's.
const podmanDie = "died"

// listen asks for the events after the last one, until a time of the engine's clock. The zero time is no end.
func (t *target) listen(ctx context.Context, until time.Time) client.EventsResult {
	options := client.EventsListOptions{
		Filters: make(client.Filters).Add("label", container.LabelRun+"="+t.run).Add("type", "container").
			Add("event", string(events.ActionStart), string(events.ActionOOM), string(events.ActionDie), podmanDie),
	}
	t.heard.mu.Lock()
	if t.heard.last > 0 {
		options.Since = seconds(time.Unix(0, t.heard.last))
	}
	t.heard.mu.Unlock()
	if !until.IsZero() {
		options.Until = seconds(until)
	}
	return t.engine.Events(ctx, options)
}

func seconds(at time.Time) string {
	return fmt.Sprintf("%d.%09d", at.Unix(), at.Nanosecond())
}

// hearAll takes events until the stream ends.
func (t *target) hearAll(stream client.EventsResult) {
	for {
		select {
		case m := <-stream.Messages:
			t.hear(m)
		case <-stream.Err:
			return
		}
	}
}

func (t *target) hear(m events.Message) {
	t.mu.Lock()
	name := m.Actor.Attributes[container.LabelPart]
	part, up := t.parts[name], t.up[name]
	t.mu.Unlock()
	if !t.heard.note(m) || part == nil {
		return
	}
	switch at := time.Unix(0, m.TimeNano); m.Action {
	case events.ActionOOM:
		part.Starved(at, t.heard.isEnded(part.ID()))
	case events.ActionDie:
		part.Died(at, m.Actor.Attributes["exitCode"], false)
	case events.ActionStart:
		part.Started()
		up.begin()
	}
}

// note remembers an event. fresh says that it was not told before.
func (h *heard) note(m events.Message) (fresh bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil {
		h.seen, h.ended, h.ends = make(map[event]bool), make(map[string]bool), make(map[string]int)
	}
	one := event{m.TimeNano, m.Actor.ID, m.Action}
	if h.seen[one] {
		return false
	}
	h.seen[one], h.last = true, max(h.last, m.TimeNano)
	switch m.Action {
	case events.ActionDie:
		h.ended[m.Actor.ID] = true
		h.ends[m.Actor.ID]++
	case events.ActionStart:
		h.ended[m.Actor.ID] = false
	}
	return true
}

// isEnded says that an end of the container was told, and no start since.
func (h *heard) isEnded(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended[id]
}

// count returns how many ends of the container were told.
func (h *heard) count(id string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ends[id]
}

// hearRest hears what the engine has told up to now, and looks at each container: an end may not have been told. An error says
// that an end may be missing.
func (t *target) hearRest() error {
	ctx, cancel := context.WithTimeout(context.Background(), restWithin)
	defer cancel()
	t.hearAll(t.listen(ctx, time.Now()))
	t.mu.Lock()
	names := append([]string(nil), t.started...)
	t.mu.Unlock()
	for _, n := range names {
		if err := t.look(ctx, n); err != nil {
			return fmt.Errorf("container %s: %w; whether it ended by itself is not known", n, err)
		}
	}
	return nil
}

// look notices an end that the engine did not tell.
func (t *target) look(ctx context.Context, name string) error {
	t.mu.Lock()
	part, kept := t.parts[name], t.restarts[name]
	t.mu.Unlock()
	inspected, err := t.engine.ContainerInspect(ctx, part.ID(), client.ContainerInspectOptions{})
	if t.heard.isEnded(part.ID()) {
		return nil // it is told already
	}
	if err != nil {
		return err
	}
	state := inspected.Container.State
	// Each start by a restart policy is one after an end.
	for n := inspected.Container.RestartCount - kept - t.heard.count(part.ID()); n > 0; n-- {
		at := time.Now()
		t.heard.note(events.Message{Action: events.ActionDie, Actor: events.Actor{ID: part.ID()}, TimeNano: at.UnixNano()})
		t.heard.note(events.Message{Action: events.ActionStart, Actor: events.Actor{ID: part.ID()}, TimeNano: at.UnixNano()})
		part.Died(at, "not told", false)
	}
	if state.Running || state.Restarting {
		part.CountKills(ctx)
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, state.FinishedAt)
	if err != nil {
		at = time.Now()
	}
	t.heard.note(events.Message{Action: events.ActionDie, Actor: events.Actor{ID: part.ID()}, TimeNano: at.UnixNano()})
	part.Died(at, strconv.Itoa(state.ExitCode), state.OOMKilled)
	return nil
}
