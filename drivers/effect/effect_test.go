package effect

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// shelf is a place that is read whole, and that can fail in the middle of a reading.
type shelf struct {
	mu    sync.Mutex
	ids   []string
	fails int // before that item; 0: never
}

func (s *shelf) Read(_ context.Context, item func(Field) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range s.ids {
		if s.fails > 0 && i+1 == s.fails {
			return errors.New("broke off")
		}
		if err := item(func(string) ([]byte, bool) { return []byte(id), true }); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Close() error { return nil }

func (s *shelf) put(fails int, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids, s.fails = append(s.ids, ids...), fails
}

// snapshot opens a source on a shelf. deliveries returns what was delivered since.
func snapshot(t *testing.T, place *shelf, every time.Duration) (s *Snapshot, env drivers.Env, deliveries func() []drivers.Delivery) {
	t.Helper()
	env = drivertest.NewEnv(t, time.Now())
	reader, err := Fields{ID: "id"}.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	s = NewSnapshot("a shelf", env, reader, Readings{Every: every, Timeout: time.Second}, place)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []drivers.Delivery
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Receive(ctx, func(d *drivers.Delivery) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, *d)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, env, func() []drivers.Delivery {
		mu.Lock()
		defer mu.Unlock()
		return append([]drivers.Delivery(nil), all...)
	}
}

// Readings before the last only date: what counts comes once more, in the last.
func TestEarlierReadingsAreProvisional(t *testing.T) {
	place := &shelf{}
	s, env, deliveries := snapshot(t, place, 10*time.Millisecond)
	place.put(0, env.Identity.Text(1), "foreign")
	for len(deliveries()) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	if err := s.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, counted := time.Duration(0), 0
	for _, d := range deliveries() {
		switch {
		case !d.Provisional:
			counted++
		case string(d.ID) == "foreign":
			t.Error("a foreign item was delivered before the last reading")
		case first == 0:
			first = d.At
		}
	}
	if counted != 2 || first == 0 {
		t.Errorf("%d deliveries count, want that of the run and the foreign one; first seen at %s", counted, first)
	}
}

// A last reading that breaks off is no whole one, however much it delivered. Another one takes the first back.
func TestLastReading(t *testing.T) {
	place := &shelf{}
	s, env, deliveries := snapshot(t, place, 0)
	place.put(2, env.Identity.Text(1), env.Identity.Text(2))
	if err := s.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("caught up: %v", err)
	}
	place.put(0)
	if err := s.CatchUp(t.Context()); err != nil {
		t.Error(err)
	}
	all := deliveries()
	if len(all) != 4 || !all[1].Anew {
		t.Errorf("delivered %+v", all)
	}
}

// A time that an effect carries is believed between two readings.
func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-02T03:04:05Z": "03:04:05", "2026-01-02 03:04:05.5+00:00": "03:04:05", "2026-01-02 03:04:05": "03:04:05",
		"1767323045": "03:04:05", "1767323045123": "03:04:05", "yesterday": "", "-5": "", "nan": "", "inf": "",
	} {
		at, err := parseTime(text, "at")
		if (err != nil) != (want == "") || err == nil && at.UTC().Format("15:04:05") != want {
			t.Errorf("%s is %s, %v", text, at.UTC(), err)
		}
	}
	env := drivertest.NewEnv(t, time.Now())
	epoch := time.Now()
	env.Epoch = func() time.Time { return epoch }
	s := &Snapshot{env: env}
	for at, want := range map[time.Duration]time.Duration{time.Second: 2 * time.Second, 3 * time.Second: 3 * time.Second, 9 * time.Second: 5 * time.Second} {
		if got := s.at(&Record{Time: epoch.Add(at)}, 2*time.Second, 5*time.Second); got != want {
			t.Errorf("an effect at %s is dated %s, want %s", at, got, want)
		}
	}
}

// slow is a place of which a reading takes three seconds.
type slow struct {
	read func(item func(Field) error) error
}

func (s *slow) Read(_ context.Context, item func(Field) error) error { return s.read(item) }
func (s *slow) Close() error                                         { return nil }

// An effect that came while a reading was under way may be missing in it. In the next one it has the time that it carries.
func TestTimesWithinAReading(t *testing.T) {
	env := drivertest.NewEnv(t, time.Now())
	epoch, clock := time.Now(), time.Second
	env.Epoch, env.Clock = func() time.Time { return epoch }, func() time.Duration { return clock }
	reader, err := Fields{ID: "id", Time: "at"}.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	place := &slow{read: func(func(Field) error) error {
		clock += 3 * time.Second
		return nil
	}}
	s := NewSnapshot("a slow place", env, reader, Readings{}, place)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	place.read = func(item func(Field) error) error {
		fields := map[string]string{"id": env.Identity.Text(1), "at": epoch.Add(2 * time.Second).Format(time.RFC3339Nano)}
		return item(func(name string) ([]byte, bool) { return []byte(fields[name]), true })
	}
	var at time.Duration
	if _, err := s.deliver(t.Context(), func(d *drivers.Delivery) { at = d.At }, false); err != nil || at.Round(time.Microsecond) != 2*time.Second {
		t.Errorf("dated %s, want 2s: %v", at, err)
	}
}

func TestSame(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"12.50", "12.5"}: true, {"7", "7"}: true, {"a", "b"}: false, {"", "0"}: false, {"12345678901234567", "12345678901234568"}: false, {"k1", "k1"}: true,
		// A number of any length is compared by its value, and a text that only looks like one is a text.
		{"12345678901234.5000", "12345678901234.5"}: true, {"-0.0", "0"}: true, {"1e2", "100"}: true, {"1E-2", "0.01"}: true, {".5", "0.5"}: true,
		{"1234567890123456789.0", "1234567890123456789"}: true, {"-5", "5"}: false, {"1e999999999", "1e99999999"}: false, {"10", "1"}: false,
		{"007", "7"}: false, {"01067", "1067"}: false, {"+49", "49"}: false, {"0x10", "16"}: false, {"inf", "Infinity"}: false, {"1_0", "10"}: false, {"-", ""}: false,
	} {
		if got := same([]byte(pair[0]), []byte(pair[1])); got != want || same([]byte(pair[1]), []byte(pair[0])) != want {
			t.Errorf("%q: %v", pair, got)
		}
	}
}
