package webhook

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/effect"
)

// The server itself sleeps half a second after a body that was cut off.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// hook is a webhook whose source receives.
type hook struct {
	t      *testing.T
	url    string
	env    drivers.Env
	source drivers.Source
	client http.Client
	mu     sync.Mutex
	all    []drivers.Delivery
}

func start(t *testing.T, c *Config) *hook {
	t.Helper()
	c.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	l, err := c.Listen(func(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	h := &hook{t: t, url: l.URL(), env: drivertest.NewEnv(t, time.Now()), client: http.Client{Transport: &http.Transport{}}}
	h.env.Listener = l
	if h.source, err = c.Open(t.Context(), h.env); err != nil {
		t.Fatal(err)
	}
	if err := h.source.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- h.source.Receive(ctx, func(d *drivers.Delivery) {
			one := *d
			one.ID = append([]byte(nil), d.ID...)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.all = append(h.all, one)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := h.source.Close(); err != nil {
			t.Error(err)
		}
		h.client.CloseIdleConnections()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *hook) post(body string, timeout time.Duration) (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "POST", h.url, strings.NewReader(body))
	answer, err := h.client.Do(r)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func (h *hook) delivered() []drivers.Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]drivers.Delivery(nil), h.all...)
}

func TestCalls(t *testing.T) {
	h := start(t, &Config{Path: "/paid", Fields: effect.Fields{ID: "$.order", Match: map[string]string{"$.n": "{{seq}}"}}})
	id := h.env.Identity.Text(7)
	for body, want := range map[string]int{fmt.Sprintf(`{"order":%q,"n":7}`, id): 200, `{"order":"someone"}`: 200, `no json`: 200} {
		if status, err := h.post(body, time.Minute); status != want || err != nil {
			t.Errorf("%s: %d, %v", body, status, err)
		}
	}
	h.post(fmt.Sprintf(`{"order":%q,"n":8}`, id), time.Minute)
	ours, foreign, wrong := 0, 0, ""
	for _, d := range h.delivered() {
		if string(d.ID) == id {
			ours, wrong = ours+1, wrong+d.Wrong
		} else {
			foreign++
		}
	}
	if ours != 2 || foreign != 2 || wrong != `$.n is "8", and "7" was sent` {
		t.Errorf("%d of ours, %d foreign, wrong %q", ours, foreign, wrong)
	}
	if answer, err := h.client.Get(strings.TrimSuffix(h.url, "/paid") + "/other"); err != nil || answer.StatusCode != 404 {
		t.Errorf("another path: %v, %v", answer, err)
	} else {
		answer.Body.Close()
	}
	if err := h.source.CatchUp(t.Context()); err != nil {
		t.Error(err)
	}
}

// A refused call does not count, and its retry is the first. A call after that is a second effect, whatever was drawn.
func TestRefusedCalls(t *testing.T) {
	h := start(t, &Config{Fields: effect.Fields{ID: "$.order"}, Fail: 1})
	body := fmt.Sprintf(`{"order":%q}`, h.env.Identity.Text(1))
	for i, want := range []int{503, 200, 200} {
		if status, err := h.post(body, time.Minute); status != want || err != nil {
			t.Errorf("call %d: %d, %v", i, status, err)
		}
	}
	all := h.delivered()
	if len(all) != 2 || all[0].Redelivered || all[1].Redelivered {
		t.Errorf("delivered %+v, want the retry and a second effect", all)
	}
}

// A call without an answer counts, and its retry is a redelivery.
func TestUnansweredCalls(t *testing.T) {
	h := start(t, &Config{Fields: effect.Fields{ID: "$.order"}, Hang: 1})
	body := fmt.Sprintf(`{"order":%q}`, h.env.Identity.Text(1))
	if status, err := h.post(body, 100*time.Millisecond); err == nil {
		t.Errorf("answered %d", status)
	}
	for range 2 {
		if status, err := h.post(body, time.Minute); status != 200 || err != nil {
			t.Errorf("%d, %v", status, err)
		}
	}
	all := h.delivered()
	if len(all) != 3 || all[0].Redelivered || !all[1].Redelivered || all[2].Redelivered {
		t.Errorf("delivered %+v, want the first, a redelivery and a second effect", all)
	}
}

// Calls that are left without an answer take no room from others. Where there is no room, what the target gives up is not known.
func TestManyCallsAtOnce(t *testing.T) {
	defer func(most int) { mostCalls = most }(mostCalls)
	mostCalls = 1
	var calls sync.WaitGroup
	t.Cleanup(calls.Wait) // after the end of the source, which answers them
	h := start(t, &Config{Hang: 1, Fields: effect.Fields{ID: "$.order"}})
	for n := range uint64(3) {
		calls.Go(func() { h.post(fmt.Sprintf(`{"order":%q}`, h.env.Identity.Text(n)), time.Minute) })
		for len(h.delivered()) <= int(n) {
			time.Sleep(time.Millisecond)
		}
	}
	if err := h.source.CatchUp(t.Context()); err != nil {
		t.Error(err)
	}
	body, half := io.Pipe()
	calls.Go(func() {
		r, _ := http.NewRequest("POST", h.url, body)
		if answer, err := h.client.Do(r); err == nil {
			answer.Body.Close()
		}
	})
	if _, err := half.Write([]byte("{")); err != nil {
		t.Fatal(err)
	}
	for status := 0; status != http.StatusServiceUnavailable; {
		status, _ = h.post("{}", time.Minute)
	}
	if err := h.source.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "too many calls") {
		t.Errorf("%v", err)
	}
	half.Close()
}

// What a refused body held is not known.
func TestLongBodies(t *testing.T) {
	h := start(t, &Config{Fields: effect.Fields{ID: "$.order"}, MaxBody: 10})
	if status, err := h.post(`{"order":"0123456789"}`, time.Minute); status != 413 || err != nil {
		t.Errorf("%d, %v", status, err)
	}
	if err := h.source.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "max_body") {
		t.Errorf("caught up: %v", err)
	}
}

// A compressed call is the call that it holds. What cannot be decoded leaves the place not fully known.
func TestCompressedCalls(t *testing.T) {
	h := start(t, &Config{Fields: effect.Fields{ID: "$.order"}})
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprintf(w, "\ufeff{\"order\":%q}", h.env.Identity.Text(1))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	send := func(coding string, body []byte) int {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", h.url, bytes.NewReader(body))
		r.Header.Set("Content-Encoding", coding)
		answer, err := h.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if status := send("gzip", packed.Bytes()); status != 200 {
		t.Errorf("answered %d", status)
	}
	if all := h.delivered(); len(all) != 1 || string(all[0].ID) != h.env.Identity.Text(1) {
		t.Errorf("delivered %+v", all)
	}
	if err := h.source.CatchUp(t.Context()); err != nil {
		t.Error(err)
	}
	if status := send("gzip", []byte("plain")); status != 415 {
		t.Errorf("answered %d", status)
	}
	if err := h.source.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "no gzip") {
		t.Errorf("caught up: %v", err)
	}
}

// The same seed refuses the same operations.
func TestSeededShare(t *testing.T) {
	h := start(t, &Config{Fields: effect.Fields{ID: "header X-Order"}, Fail: 0.3, Hang: 0.2})
	s := h.source.(*source)
	var counts [3]int
	for seq := range uint64(10_000) {
		drawn := s.draw(seq)
		if again := s.draw(seq); again != drawn {
			t.Fatal("an operation is drawn anew")
		}
		counts[drawn]++
	}
	if counts[refused] < 2800 || counts[refused] > 3200 || counts[unanswered] < 1800 || counts[unanswered] > 2200 {
		t.Errorf("of 10,000: %d refused, %d unanswered", counts[refused], counts[unanswered])
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Fields: effect.Fields{ID: "order"}}, `id: path "order": begin with $`},
		{Config{Fields: effect.Fields{ID: "header "}}, "id: header names no header"},
		{Config{Path: "paid"}, "path: "},
		{Config{Address: "nowhere"}, "listen: "},
		{Config{Status: 99}, "status: 99"},
		{Config{Fail: 0.6, Hang: 0.6}, "hang: "},
		{Config{MaxBody: 1 << 40}, "max_body: "},
		{Config{HangFor: -1}, "hang_for: "},
	} {
		var all []string
		c.config.Check(func(field, message string) { all = append(all, field+": "+message) })
		if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) {
			t.Errorf("%+v: %q, want %q", c.config, text, c.want)
		}
	}
}
