package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/effect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// read opens the source, and returns what its last reading delivered.
func read(t *testing.T, c *Config, during func(env drivers.Env)) (ids []string, err error) {
	t.Helper()
	c.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	env := drivertest.NewEnv(t, time.Now())
	source, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if err := source.Start(t.Context()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	done := make(chan error, 1)
	go func() {
		done <- source.Receive(ctx, func(d *drivers.Delivery) {
			mu.Lock()
			defer mu.Unlock()
			if !d.Provisional {
				ids = append(ids, string(d.ID))
			}
		})
	}()
	during(env)
	err = source.CatchUp(t.Context())
	cancel()
	return ids, errors.Join(err, <-done)
}

// identity is that of the environment of drivertest.
func identity(t *testing.T, n uint64) string {
	return drivertest.NewEnv(t, time.Now()).Identity.Text(n)
}

func TestForms(t *testing.T) {
	one, two := identity(t, 1), identity(t, 2)
	for name, c := range map[string]struct {
		serve  func(w http.ResponseWriter, r *http.Request)
		config Config
	}{
		"list":  {func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `[{"id":%q},{"id":%q}]`, one, two) }, Config{}},
		"lines": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "{\"id\":%q}\n{\"id\":%q}\n", one, two) }, Config{}},
		"cursor": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("after") == "" {
				fmt.Fprintf(w, `{"orders":[{"id":%q}],"next":"x y"}`, one)
				return
			}
			fmt.Fprintf(w, `{"orders":[{"id":%q}],"next":null}`, two)
		}, Config{Items: "$.orders", Next: "$.next", Cursor: "after"}},
		"link": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "" {
				w.Header().Set("Link", `<?page=2>; rel="next", <?page=9>; rel="last"`)
				fmt.Fprintf(w, `[{"id":%q}]`, one)
				return
			}
			fmt.Fprintf(w, `[{"id":%q}]`, two)
		}, Config{}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(c.serve))
			defer server.Close()
			config := c.config
			config.URL, config.Fields = server.URL, effect.Fields{ID: "$.id"}
			ids, err := read(t, &config, func(drivers.Env) {})
			if strings.Join(ids, " ") != one+" "+two || err != nil {
				t.Errorf("%q, %v", ids, err)
			}
		})
	}
}

// A place that changes between two pages shows an item twice, or not at all. It is read again until it shows the same twice.
func TestPagesThatMove(t *testing.T) {
	one, two := identity(t, 1), identity(t, 2)
	all := []string{one, two}
	var readings, until atomic.Int64
	serve := func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		n := readings.Load()
		if from == 0 {
			n = readings.Add(1)
		}
		if from+1 < len(all) {
			w.Header().Set("Link", fmt.Sprintf(`<?from=%d>; rel="next"`, from+1))
		}
		if n%2 == 0 && n <= until.Load() {
			from = 0 // an item came in front of the others
		}
		fmt.Fprintf(w, `[{"id":%q}]`, all[from])
	}
	server := httptest.NewServer(http.HandlerFunc(serve))
	defer server.Close()
	config := Config{URL: server.URL, Fields: effect.Fields{ID: "$.id"}, Readings: effect.Readings{Timeout: 10 * time.Second}}
	ids, err := read(t, &config, func(drivers.Env) { until.Store(2) })
	if text := strings.Join(ids, " "); len(ids) != 4 || !strings.HasSuffix(text, one+" "+two) || err != nil {
		t.Errorf("%q, %v", ids, err)
	}
	config.Timeout = 500 * time.Millisecond
	_, err = read(t, &config, func(drivers.Env) { until.Store(1 << 40) })
	told := func(words string) bool { return err != nil && strings.Contains(err.Error(), words) }
	if !told("changed while it was read") && !told("a second time") && !told("on two pages") && !told("deadline exceeded") { // the last: the machine was slow
		t.Errorf("a place that moves on and on was read: %v", err)
	}
}

// A cursor that includes the item that it names shows this item on two pages. It is not told as a duplicate, and the place is unknown.
func TestInclusiveCursor(t *testing.T) {
	one, two := identity(t, 1), identity(t, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "" {
			fmt.Fprintf(w, `{"o":[{"id":%q},{"id":%q}],"next":%q}`, one, two, two)
			return
		}
		fmt.Fprintf(w, `{"o":[{"id":%q}]}`, two)
	}))
	defer server.Close()
	config := Config{URL: server.URL, Items: "$.o", Next: "$.next", Cursor: "after", Fields: effect.Fields{ID: "$.id"}, Readings: effect.Readings{Timeout: time.Second}}
	ids, err := read(t, &config, func(drivers.Env) {})
	if err == nil || !strings.Contains(err.Error(), "on two pages") && !strings.Contains(err.Error(), "deadline exceeded") { // the last: the machine was slow
		t.Errorf("%q, %v", ids, err)
	}
	for i := range ids[:max(0, len(ids)-1)] {
		if ids[i] == two && ids[i+1] == two {
			t.Errorf("%q: one item is told twice", ids)
		}
	}
}

// A place that lies about its pages is never taken for a whole one.
func TestLyingPages(t *testing.T) {
	var calls int
	for name, c := range map[string]struct {
		serve  func(w http.ResponseWriter, r *http.Request)
		config Config
		want   string
	}{
		"a cursor that comes again": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"o":[],"next":"c"}`) }, Config{Items: "$.o", Next: "$.next", Cursor: "c"}, "the pages make a loop"},
		"pages without an end": {func(w http.ResponseWriter, r *http.Request) { calls++; fmt.Fprintf(w, `{"o":[],"next":%d}`, calls) },
			Config{Items: "$.o", Next: "$.next", Cursor: "c"}, "more than 10000 pages"},
		"a page that breaks off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `[]`)
		}, Config{}, "broke off"},
		"an error":                   {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, Config{}, "500"},
		"a document without an item": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"error":"busy"}`) }, Config{}, "without $.id: name the list"},
		"another document":           {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"error":"busy"}`) }, Config{Items: "$.o"}, "no list at items"},
		"a list that is cut":         {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `[{"id":"x"}`) }, Config{}, "no JSON"},
		"a page of text":             {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `<html>`) }, Config{}, "no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(c.serve))
			defer server.Close()
			config := c.config
			config.URL, config.Fields, config.Timeout = server.URL, effect.Fields{ID: "$.id"}, 5*time.Minute
			if _, err := read(t, &config, func(drivers.Env) {}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			} else if !errors.Is(err, drivers.ErrUnreachable) && !errors.Is(err, drivers.ErrConfig) {
				t.Errorf("%v: neither the target's error nor the scenario's", err)
			}
		})
	}
}

// The last reading counts, and one that fails leaves nothing known.
func TestLastReadingFails(t *testing.T) {
	var broken sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, is := broken.Load("x"); is {
			w.WriteHeader(503)
			return
		}
		fmt.Fprint(w, `[]`)
	}))
	defer server.Close()
	c := &Config{URL: server.URL, Fields: effect.Fields{ID: "$.id"}, Readings: effect.Readings{Timeout: time.Second}}
	if _, err := read(t, c, func(drivers.Env) { broken.Store("x", true) }); err == nil || !strings.Contains(err.Error(), "the last reading") {
		t.Errorf("%v", err)
	}
}

func TestFollow(t *testing.T) {
	lines, over := make(chan string), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		for {
			select {
			case line, open := <-lines:
				if !open {
					return
				}
				fmt.Fprint(w, line)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			case <-over:
				return
			}
		}
	}))
	defer server.Close()
	defer close(over)
	config := func() *Config { return &Config{URL: server.URL, Follow: true, Fields: effect.Fields{ID: "$.id"}} }
	ids, err := read(t, config(), func(env drivers.Env) {
		lines <- fmt.Sprintf("{\"id\":%q}\n", env.Identity.Text(1))
		lines <- fmt.Sprintf(": comment\nevent: paid\ndata: {\"id\":%q}\n\n", env.Identity.Text(2))
	})
	if len(ids) != 2 || err != nil {
		t.Errorf("%q, %v", ids, err)
	}
	for _, line := range []string{"\x1e{\"id\":\"x\"}\n", "12:00:01 {\"id\":\"x\"}\n", "data: {\n"} {
		if _, err := read(t, config(), func(drivers.Env) { lines <- line }); err == nil || !strings.Contains(err.Error(), "no JSON document") {
			t.Errorf("a stream with the line %q was read: %v", line, err)
		}
	}
	if _, err := read(t, config(), func(drivers.Env) { close(lines) }); err == nil || !strings.Contains(err.Error(), "ended before the run") {
		t.Errorf("a stream that ends: %v", err)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{URL: "ftp://x"}, "url: is no URL of HTTP"},
		{Config{URL: "http://x", Items: "o"}, `items: path "o": begin with $`},
		{Config{URL: "http://x", Cursor: "c"}, "cursor: needs next"},
		{Config{URL: "http://x", Next: "$.n"}, "next: needs items"},
		{Config{URL: "http://x", Follow: true, Items: "$.o"}, "items: does not work with follow"},
		{Config{URL: "http://x", Fields: effect.Fields{ID: "id"}}, `id: path "id": begin with $`},
	} {
		var all []string
		c.config.Check(func(field, message string) { all = append(all, field+": "+message) })
		if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) {
			t.Errorf("%+v: %q, want %q", c.config, text, c.want)
		}
	}
}
