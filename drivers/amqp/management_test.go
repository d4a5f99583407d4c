package amqp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

// fakeManagement is a management API with an answer of the test's.
type fakeManagement struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	body   string
	path   string
	login  string
}

func startManagement(t *testing.T, status int, body string) *fakeManagement {
	f := &fakeManagement{status: status, body: body}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		user, password, _ := r.BasicAuth()
		f.path, f.login = r.URL.EscapedPath(), user+":"+password
		w.WriteHeader(f.status)
		fmt.Fprint(w, f.body)
	}))
	t.Cleanup(f.Close)
	return f
}

func gaugesOf(d *Driver) map[string]float64 {
	all := make(map[string]float64)
	d.Gauges(func(name string, value float64) { all[name] = value })
	return all
}

// The depth comes from the management API where the broker refuses passive declares.
func TestManagement(t *testing.T) {
	t.Parallel()
	b := startFake(t)
	b.refuses(50<<16|10, refusal{405, "RESOURCE_LOCKED"})
	api := startManagement(t, http.StatusOK, `{"messages":12,"messages_ready":5,"messages_unacknowledged":7}`)
	d := openDriver(t, Config{URL: b.url(), Queue: "a/b", Management: api.URL + "/"}, testEnv(t))
	if api.path != "/api/queues/%2F/a%2Fb" || api.login != "guest:secret-word" {
		t.Errorf("asked %s as %s", api.path, api.login)
	}
	if g := gaugesOf(d); g["depth"] != 5 || g["unacked"] != 7 || g["depth_growth"] != 0 || g["unacked_growth"] != 0 {
		t.Errorf("gauges %v", g)
	}
	d.depth.set(held{ready: 9, unacked: 8, both: true}, true)
	if g := gaugesOf(d); g["depth_growth"] != 4 || g["unacked_growth"] != 1 {
		t.Errorf("gauges %v", g)
	}
	api.mu.Lock()
	api.body = `{"name":"a/b"}` // a broker that has no counts tells none: they are not 0
	api.mu.Unlock()
	d.depth.set(d.askDepth())
	if _, told := gaugesOf(d)["depth"]; told {
		t.Error("counts that the broker does not tell are 0")
	}
}

// What the management API refuses is named before the traffic, and no error holds a password.
func TestManagementRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		want   string
		whose  error
	}{
		"login":     {401, `{"error":"not_authorised"}`, "refuses user me", drivers.ErrConfig},
		"tag":       {403, "", "with the tag management", drivers.ErrConfig},
		"no queue":  {404, "{}", "knows no queue orders", drivers.ErrConfig},
		"another":   {200, "<html>", "no management API", drivers.ErrConfig},
		"redirect":  {302, "", "status 302", drivers.ErrUnreachable},
		"no counts": {200, "{}", "has no counts", drivers.ErrConfig},
		"cut off":   {500, "", "status 500", drivers.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := startManagement(t, test.status, test.body)
			c := Config{URL: "amqp://127.0.0.1/", Queue: testQueue, Management: strings.Replace(api.URL, "//", "//me:secret-word@", 1)}
			dialer, err := c.access().dialer("")
			if err != nil {
				t.Fatal(err)
			}
			m, err := newManagement(c.Management, c.Queue, dialer, testEnv(t))
			if err != nil {
				t.Fatal(err)
			}
			defer m.close()
			ctx, cancel := context.WithTimeout(t.Context(), 5*backoff)
			defer cancel()
			_, err = m.first(ctx, false)
			if !errors.Is(err, test.whose) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if !slices.Equal(c.Secrets(), []string{":secret-word@"}) || strings.Contains(err.Error(), "secret-word") {
				t.Errorf("secrets %q; the error is %v", c.Secrets(), err)
			}
		})
	}
}

// startManaged starts a real broker with its management API.
func startManaged(t *testing.T) *rabbit.Node {
	return rabbit.StartWith(t, 1, rabbit.Settings{Plugins: []string{"rabbitmq_management"}, Config: managementAt})[0]
}

// The management API knows what is bound. One of another broker knows nothing, and is refused before the traffic.
func TestBindings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		bound  bool
		want   string
	}{
		"bound":     {200, `[{"source":"orders","vhost":"/","destination":"tap"}]`, true, ""},
		"not bound": {200, `[]`, false, ""},
		"gone":      {404, `{}`, false, ""},
		"refused":   {401, `{}`, false, "refuses user guest"},
		"another":   {200, `[{}]`, false, "no management API"},
		"a page":    {200, `<html>`, false, "no management API"},
	} {
		t.Run(name, func(t *testing.T) {
			api := startManagement(t, test.status, test.body)
			m, err := newManagement(api.URL, "", &dialer{address: address{vhost: "/", user: "guest", password: "secret-word"}}, testEnv(t))
			if err != nil {
				t.Fatal(err)
			}
			defer m.close()
			bound, err := m.bound(t.Context(), "or/ders", "tap")
			if bound != test.bound || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%t, %v", bound, err)
			}
			if api.path != "/api/bindings/%2F/e/or%2Fders/q/tap" {
				t.Errorf("asked %s", api.path)
			}
		})
	}
}

// A real broker tells what is ready and what a consumer has in hand.
func TestRealManagement(t *testing.T) {
	tier.Slow(t, "starts a broker with its management API")
	node := startManaged(t)
	c := realControl(t, node.URL())
	d := openDriver(t, Config{URL: node.URL(), Queue: testQueue, Management: apiOf(node),
		Declare: &Topology{Queues: map[string]Queue{testQueue: {}}}}, testEnv(t))
	c.must(t, func(ch *library.Channel) error {
		if err := ch.Qos(3, 0, false); err != nil {
			return err
		}
		_, err := ch.Consume(testQueue, "", false, false, false, false, nil)
		return err
	})
	outcomes(t, send(t, d, 0, 10, time.Minute))
	var g map[string]float64
	within(t, testPatience, "the counts", func() bool {
		g = gaugesOf(d)
		return g["depth"] == 7 && g["unacked"] == 3 && g["depth_growth"] == 7 && g["unacked_growth"] == 3
	})
}

// managementAt are the settings of a node's management API.
func managementAt(port int) string {
	return fmt.Sprintf("management.tcp.port = %d\nmanagement.tcp.ip = 127.0.0.1\ncollect_statistics_interval = 500\n", port)
}

func apiOf(n *rabbit.Node) string { return fmt.Sprintf("http://127.0.0.1:%d", n.Extra) }

// What others fetch for a moment is in no count of consumers. The broker's counts give it away: it was taken, and is not lost.
func TestRealOthersTook(t *testing.T) {
	tier.Slow(t, "starts a broker with its management API")
	node := startManaged(t)
	c := realControl(t, node.URL())
	for _, test := range []struct {
		name    string
		foreign func(t *testing.T, ch *library.Channel) error
		want    string
	}{
		{"nobody", func(*testing.T, *library.Channel) error { return nil }, ""},
		{"got and gone", func(t *testing.T, ch *library.Channel) error {
			m, ok, err := ch.Get(testQueue, false)
			if err != nil || !ok {
				return errors.Join(err, errors.New("no message"))
			}
			return errors.Join(m.Ack(false), ch.Close())
		}, "others took 1 messages"},
		{"given back", func(t *testing.T, ch *library.Channel) error {
			m, ok, err := ch.Get(testQueue, false)
			if err != nil || !ok {
				return errors.Join(err, errors.New("no message"))
			}
			return errors.Join(m.Reject(true), ch.Close())
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := openDriver(t, Config{URL: node.URL(), Queue: testQueue, Management: apiOf(node), Declare: &Topology{Queues: map[string]Queue{testQueue: {}}}}, testEnv(t))
			source, err := d.Source()
			if err != nil {
				t.Fatal(err)
			}
			s := source.(*Source)
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			outcomes(t, send(t, d, 0, 10, time.Minute))
			c.must(t, func(ch *library.Channel) error { return test.foreign(t, ch) })
			ctx, cancel := context.WithTimeout(t.Context(), realPatience)
			defer cancel()
			received := make(chan error, 1)
			go func() { received <- s.Receive(ctx, func(*drivers.Delivery) {}) }()
			err = s.CatchUp(ctx)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			cancel()
			<-received
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
