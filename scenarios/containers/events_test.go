package containers

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"wringer/faults/container"
	"wringer/scenarios/ready"
)

// teller is an engine with one container, of which it tells what a test lets it tell.
type teller struct {
	mu      sync.Mutex
	running bool
	again   int        // starts by a restart policy
	filters string     // of events, as asked
	address string     // the container's own
	streams [][]string // of events, one answer each; the last one stays open
	since   []string   // as asked
}

func (e *teller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case strings.HasSuffix(r.URL.Path, "/events"):
		e.since, e.filters = append(e.since, r.FormValue("since")), r.FormValue("filters")
		if len(e.streams) == 0 {
			if r.FormValue("until") == "" {
				w.(http.Flusher).Flush()
				e.mu.Unlock()
				<-r.Context().Done()
				e.mu.Lock()
			}
			return
		}
		for _, line := range e.streams[0] {
			fmt.Fprintln(w, line)
		}
		e.streams = e.streams[1:]
	case strings.HasSuffix(r.URL.Path, "/logs"):
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"Id": "c", "RestartCount": e.again, "Config": map[string]any{}, "NetworkSettings": map[string]any{
			"Networks": map[string]any{"run": map[string]any{"IPAddress": e.address}}}, "State": map[string]any{
			"Running": e.running, "Status": map[bool]string{true: "running", false: "exited"}[e.running], "ExitCode": 7,
			"FinishedAt": "2026-01-02T03:04:05.000000006Z",
		}})
	}
}

func (e *teller) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = false
}

// told is an event of the container.
func told(action string, nano int64) string {
	return fmt.Sprintf(`{"Type": "container", "Action": %q, "timeNano": %d, "Actor": {"ID": "c", "Attributes": {"wringer.part": "web", "exitCode": "7"}}}`, action, nano)
}

// watched is a target of one container that is ready, and watched.
func watched(t *testing.T, e *teller) (*target, *httptest.Server) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	c, err := client.New(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithAPIVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	engine := &container.Engine{Client: c}
	e.running = true
	part := container.New(container.Spec{Engine: engine, ID: "c", Name: "web"})
	if err := part.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	watching, stop := context.WithCancel(t.Context())
	one := &target{
		prepared: &prepared{engine: engine, run: "r"}, parts: map[string]*container.Container{"web": part}, started: []string{"web"},
		up: map[string]*progress{"web": {started: make(chan struct{}), ready: make(chan struct{})}},
	}
	one.watch(watching)
	t.Cleanup(func() {
		stop()
		one.watched.Wait()
		if err := part.Detach(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return one, server
}

// A stream of events that breaks off is asked for again from the last event on. An event that is told twice counts once.
func TestEventsOfABrokenStream(t *testing.T) {
	e := &teller{streams: [][]string{{told("start", 1_000_000_005)}, {told("start", 1_000_000_005), told("die", 2_000_000_006)}}}
	one, _ := watched(t, e)
	for end := time.Now().Add(time.Minute); len(one.parts["web"].Deaths()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the end was not heard")
		}
	}
	<-one.up["web"].started
	e.end()
	if deaths := one.Deaths(); len(deaths) != 1 || deaths[0].Part != "web" || !strings.Contains(deaths[0].Text, "exit code 7") {
		t.Errorf("deaths %+v", deaths)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.since[0] != "" || e.since[1] != "1.000000005" {
		t.Errorf("asked since %q", e.since)
	}
}

// An end that the engine never told is seen at the end of the run, once.
func TestEndThatNoEventTold(t *testing.T) {
	e := &teller{}
	one, _ := watched(t, e)
	if deaths := one.Deaths(); len(deaths) > 0 {
		t.Errorf("deaths of a running container: %+v", deaths)
	}
	e.end()
	for range 2 {
		deaths := one.Deaths()
		if len(deaths) != 1 || deaths[0].Part != "web" || !deaths[0].At.Equal(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)) {
			t.Errorf("deaths %+v", deaths)
		}
	}
}

// An engine that has gone leaves it open whether a container ended: the run does not pass.
func TestEngineThatHasGone(t *testing.T) {
	one, server := watched(t, &teller{})
	server.Listener.Close() // first: nothing connects again
	server.CloseClientConnections()
	if deaths := one.Deaths(); len(deaths) != 1 || !strings.Contains(deaths[0].Text, "whether it ended by itself is not known") {
		t.Errorf("deaths %+v", deaths)
	}
}

// A connection that the engine's proxy keeps is no sign that the container works: its own port must take one.
func TestReadyIsTheContainersOwnPort(t *testing.T) {
	proxy, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and keeps them
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	own, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("this machine has no 127.0.0.2")
	}
	port := uint16(own.Addr().(*net.TCPAddr).Port)
	outer := uint16(proxy.Addr().(*net.TCPAddr).Port)
	for name, r := range map[string]*ready.Config{"default": nil, "tcp": {TCP: proxy.Addr().String()}} {
		t.Run(name, func(t *testing.T) {
			if own == nil {
				own, err = net.Listen("tcp", fmt.Sprint("127.0.0.2:", port))
				if err != nil {
					t.Fatal(err)
				}
			}
			e := &teller{address: "127.0.0.2"}
			one, _ := watched(t, e)
			one.local, one.ports = true, published{"web": {port: outer}}
			spec := container.Spec{ID: "c"}
			if err := one.probe(&Service{Name: "web", Ports: []uint16{port}, Ready: r}, &spec, false); err != nil {
				t.Fatal(err)
			}
			if err := spec.Ready(t.Context()); err != nil {
				t.Errorf("a container that listens: %v", err)
			}
			own.Close()
			own = nil
			if err := spec.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "takes no connections") {
				t.Errorf("a container that does not listen: %v", err)
			}
		})
	}
}

// Processes that the kernel ended for want of memory are told, and are not taken for the end of the container.
func TestProcessesShortOfMemory(t *testing.T) {
	const alone, two = "the kernel ended a process in it for want of memory, and the container went on", "the kernel ended 2 processes in it"
	for name, c := range map[string]struct {
		told []string // an action, or the exit code of an end
		want []string // texts; one that ends in "went on" is no end of the container
	}{
		"one":           {[]string{"oom"}, []string{alone}},
		"two":           {[]string{"oom", "oom"}, []string{two}},
		"the container": {[]string{"oom", "137"}, []string{"ended by itself: exit code 137, out of memory"}},
		"told late":     {[]string{"137", "oom"}, []string{"ended by itself: exit code 137, out of memory"}},
		"both":          {[]string{"oom", "oom", "137"}, []string{alone, "ended by itself: exit code 137, out of memory"}},
		"then another":  {[]string{"oom", "7"}, []string{"ended by itself: exit code 7, after the kernel ended a process in it for want of memory"}},
		"next life":     {[]string{"oom", "137", "start", "137"}, []string{"exit code 137, out of memory", "exit code 137, signal 9"}},
		"none":          {[]string{"137"}, []string{"exit code 137, signal 9"}},
	} {
		t.Run(name, func(t *testing.T) {
			one, _ := watched(t, &teller{})
			for i, what := range c.told {
				line := told(what, int64(i+1))
				if what[0] <= '9' {
					line = strings.Replace(told("die", int64(i+1)), `"exitCode": "7"`, `"exitCode": "`+what+`"`, 1)
				}
				var m events.Message
				if err := json.Unmarshal([]byte(line), &m); err != nil {
					t.Fatal(err)
				}
				one.hear(m)
			}
			deaths := one.parts["web"].Deaths()
			if len(deaths) != len(c.want) {
				t.Fatalf("%+v", deaths)
			}
			for i, want := range c.want {
				if d := deaths[i]; !strings.Contains(d.Text, want) || d.WentOn == strings.Contains(want, "exit code") {
					t.Errorf("%+v, want %q", d, want)
				}
			}
		})
	}
}

// A restart policy hides an end that no event told. The engine's count of its starts shows that there was one.
func TestEndsThatAPolicyHid(t *testing.T) {
	e := &teller{again: 2}
	one, _ := watched(t, e)
	for range 2 {
		if err := one.hearRest(); err != nil {
			t.Fatal(err)
		}
	}
	if deaths := one.parts["web"].Deaths(); len(deaths) != 2 || !strings.Contains(deaths[0].Text, "ended by itself: exit code not told") {
		t.Errorf("%+v", deaths)
	}
	if !strings.Contains(e.filters, `"died"`) {
		t.Errorf("Podman chooses no ends by %s", e.filters)
	}
}
