package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// keyedTarget is a target that honours idempotency keys, or breaks them in one way.
type keyedTarget struct {
	lie string

	mu       sync.Mutex
	answers  map[string]string // by key
	bodies   map[string]string
	busy     map[string]bool
	executed map[string]int
	marks    map[string]int
}

func newKeyedTarget(lie string) *keyedTarget {
	return &keyedTarget{lie: lie, answers: map[string]string{}, bodies: map[string]string{}, busy: map[string]bool{},
		executed: map[string]int{}, marks: map[string]int{}}
}

func (k *keyedTarget) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	key := r.Header.Get("Idempotency-Key")
	k.mu.Lock()
	defer k.mu.Unlock()
	k.marks[r.Header.Get(drivers.MarkHeader)]++
	first, known := k.answers[key]
	changed := known && k.bodies[key] != string(body)
	switch {
	case known && k.lie == "refuses all":
		w.WriteHeader(http.StatusConflict)
		return
	case known && k.lie == "busy":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case changed && k.lie == "400":
		w.WriteHeader(http.StatusBadRequest)
		return
	case changed && k.lie != "takes what changed" && k.lie != "forgets":
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	case known && k.lie == "another status":
		w.WriteHeader(http.StatusOK)
		io.WriteString(w, first)
		return
	case known && k.lie != "forgets" && k.lie != "takes what changed":
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, first)
		return
	}
	k.executed[key]++
	k.answers[key], k.bodies[key] = fmt.Sprintf("result %d of %s", k.executed[key], key), string(body)
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, k.answers[key])
}

// replay sends one operation, replays it in each way, and returns the classified answers.
func replay(t *testing.T, target *keyedTarget, http2 bool) map[drivers.ReplayKind]drivers.Replay {
	t.Helper()
	server := httptest.NewUnstartedServer(target)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	env := drivertest.NewEnv(t, time.Now())
	env.Mark, env.Replay = "{{id}}", func(seq uint64) bool { return seq%2 == 1 }
	c := &Config{Request: "POST " + server.URL, Headers: map[string]string{"idempotency-key": "{{id}}"}, Body: `{"id":"{{id}}","n":2}`, HTTP2: http2}
	if err := c.replayable(); err != nil {
		t.Fatal(err)
	}
	d, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s, _ := d.Session()
	defer s.Close()
	out := map[drivers.ReplayKind]drivers.Replay{}
	for i, kind := range d.(drivers.Replayer).Replays() {
		op := &drivers.Op{Seq: uint64(2*i + 1)}
		at := &drivers.Attempt{Number: 1}
		s.Do(t.Context(), op, at)
		if at.Outcome != drivers.Acked || at.Answer.Status != 201 {
			t.Fatalf("%+v", at)
		}
		out[kind] = d.(drivers.Replayer).Replay(t.Context(), op, at.Answer, kind)
	}
	at := &drivers.Attempt{Number: 1}
	if s.Do(t.Context(), &drivers.Op{Seq: 2}, at); at.Answer != (drivers.Answer{}) {
		t.Errorf("the answer of an operation that was not chosen was kept: %+v", at.Answer)
	}
	return out
}

func TestReplays(t *testing.T) {
	const honoured, deviation, violation, open = drivers.ReplayHonoured, drivers.ReplayDeviation, drivers.ReplayViolation, drivers.ReplayUndecided
	for lie, want := range map[string][3]drivers.Judgement{ // same, concurrent, changed
		"":                   {honoured, honoured, honoured},
		"forgets":            {violation, violation, violation},
		"another status":     {violation, violation, honoured},
		"takes what changed": {violation, violation, violation},
		"400":                {honoured, honoured, deviation},
		"refuses all":        {violation, violation, deviation},
		"busy":               {open, open, open},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s http2=%t", lie, http2), func(t *testing.T) {
				target := newKeyedTarget(lie)
				for kind, r := range replay(t, target, http2) {
					if r.Judgement != want[kind] || (r.Why == "") != (r.Judgement == honoured) || len(r.Attempts) != 1+int(kind)%2 {
						t.Errorf("%s: %+v, want %d", kind, r, want[kind])
					}
				}
				// There are four marked operations and three replays, one of which is two requests.
				marks := slices.Sorted(maps.Keys(target.marks))
				if want := []string{"1", "1;replay", "2", "3", "3;replay", "5", "5;replay"}; !slices.Equal(marks, prefixed(want)) || target.marks[marks[4]] != 2 {
					t.Errorf("marks %v", target.marks)
				}
			})
		}
	}
}

func prefixed(seqs []string) (out []string) {
	for _, seq := range seqs {
		out = append(out, "r1.conformance."+seq)
	}
	return out
}

// One of two concurrent requests may be told that the other is running, but not both.
func TestConcurrentReplays(t *testing.T) {
	first := drivers.Answer{Status: 201, Size: 3, Digest: 7}
	result := drivers.Attempt{Answered: true, Answer: first}
	conflict := drivers.Attempt{Answered: true, Answer: drivers.Answer{Status: 409}}
	lost := drivers.Attempt{Code: drivers.CodeTimeout}
	other := drivers.Attempt{Answered: true, Answer: drivers.Answer{Status: 201, Size: 3, Digest: 8}}
	for _, c := range []struct {
		both [2]drivers.Attempt
		want drivers.Judgement
	}{
		{[2]drivers.Attempt{result, result}, drivers.ReplayHonoured},
		{[2]drivers.Attempt{conflict, result}, drivers.ReplayHonoured},
		{[2]drivers.Attempt{conflict, conflict}, drivers.ReplayViolation},
		{[2]drivers.Attempt{lost, other}, drivers.ReplayViolation},
		{[2]drivers.Attempt{lost, result}, drivers.ReplayUndecided},
		{[2]drivers.Attempt{lost, conflict}, drivers.ReplayUndecided},
	} {
		if r := classifyConcurrent(first, c.both); r.Judgement != c.want {
			t.Errorf("%+v: %+v, want %d", c.both, r, c.want)
		}
	}
	if r := classifySame(drivers.Answer{}, result); r.Judgement != drivers.ReplayUndecided {
		t.Errorf("without the first answer: %+v", r)
	}
}

func TestChangedBodies(t *testing.T) {
	change := changer(drivers.Identity{Run: "r1", Stream: "s"})
	for body, want := range map[string]string{
		`{"id":"r1.s.17","n":2}`:                   `{"id":"r1.s.17","n":3}`,
		`{"id":"r1.s.17","n":19}`:                  `{"id":"r1.s.17","n":18}`,
		`{"a":"x\"9","b": -1.5e3}`:                 `{"a":"x\"9","b": -2.5e3}`,
		`{"id":"r1.s.17","k":"v","id2":"r1.s.17"}`: `{"id":"r1.s.17","k":"vx","id2":"r1.s.17"}`,
		`{"id":"r1.s.17"}`:                         `{"wringer_replay":true,"id":"r1.s.17"}`,
		` { }`:                                     ` {"wringer_replay":true }`,
		`[true]`:                                   `[[true]]`,
		`"r1.s.17"`:                                `["r1.s.17"]`,
		`a=1&b=2`:                                  `a=1&b=2&wringer_replay=1`,
		`<order/>`:                                 `<order/>~`,
	} {
		if got := string(change([]byte(body))); got != want {
			t.Errorf("%s becomes %s, want %s", body, got, want)
		}
	}
}

func FuzzChangedBody(f *testing.F) {
	f.Add(`{"id":"r1.s.17","n":2}`)
	f.Add(`["\\\"", {"a": null}]`)
	change := changer(drivers.Identity{Run: "r1", Stream: "s"})
	f.Fuzz(func(t *testing.T, body string) {
		changed := string(change([]byte(body)))
		if changed == body || json.Valid([]byte(body)) && !json.Valid([]byte(changed)) || strings.Count(changed, "r1.s.") < strings.Count(body, "r1.s.") {
			t.Errorf("%q becomes %q", body, changed)
		}
	})
}

func TestReplayable(t *testing.T) {
	for header, want := range map[string]string{"": "add the header", "fixed": "a key of its own", `{{"fixed"}}`: "a key of its own", "{{id}}": ""} {
		c := &Config{Request: "POST http://a/", Headers: map[string]string{"Idempotency-Key": header}}
		if header == "" {
			c.Headers = nil
		}
		if err := c.replayable(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", header, err)
		}
	}
}

func TestReplaysOfNoSingleRequest(t *testing.T) {
	if err := new(Config).replayable(); err != errNotPlain {
		t.Errorf("error %v", err)
	}
}

func TestWitnessable(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Request: "POST http://a/"}, ""},
		{Config{}, "one request"},
		{Config{Request: "POST http://a/", Redirects: 1}, "one request"},
		{Config{Request: "POST http://a/", Connection: Connection{MaxRequests: 3}}, ""},
		{Config{Request: "POST ${shop.rest}/"}, ""},
		{Config{Request: "POST https://a/"}, "plain http:// port"},
		{Config{Request: "POST http://a/", Headers: map[string]string{"wringer-op": "x"}}, "remove it from headers"},
	} {
		if err := c.config.witnessable(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
}

// Every request has the mark, whatever connection carries it.
func TestMarksOnConnectionsThatEnd(t *testing.T) {
	onBothVersions(t, func(t *testing.T, http2 bool) {
		w := newRecordingServer(t, nil, answerOK)
		env := drivertest.NewEnv(t, time.Now())
		env.Mark = "{{id}}"
		d, err := (&Config{Request: w.URL, Connection: Connection{MaxRequests: 2}, HTTP2: http2}).Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		s, _ := d.Session()
		defer s.Close()
		for seq := range uint64(3) {
			expect(t, do(t, s, seq), drivers.Acked, "")
			if got := w.requests()[seq].Header.Get(drivers.MarkHeader); got != env.Identity.Text(seq) {
				t.Errorf("marked %q", got)
			}
		}
	})
}

// Each attempt carries its operation's trace.
func TestTraces(t *testing.T) {
	onBothVersions(t, func(t *testing.T, http2 bool) {
		w := newRecordingServer(t, nil, answerOK)
		env := drivertest.NewEnv(t, time.Now())
		env.Trace = drivers.NewTrace(1, drivers.TraceHeaderNames()...)
		d, err := (&Config{Request: w.URL, HTTP2: http2}).Open(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		s, _ := d.Session()
		defer s.Close()
		for i, seq := range []uint64{5, 6} {
			expect(t, do(t, s, seq), drivers.Acked, "")
			h := w.requests()[i].Header
			parent, single, amazon := h.Get(drivers.HeaderTraceparent), h.Get(drivers.HeaderB3), h.Get(drivers.HeaderAmazon)
			a, _ := drivers.ParseTraceparent([]byte(parent))
			b, _ := drivers.ParseB3([]byte(single))
			c, _ := drivers.ParseAmazon([]byte(amazon))
			if want := env.Identity.Trace(seq); a != want || b != want || c != want {
				t.Errorf("operation %d: %q, %q, %q", seq, parent, single, amazon)
			}
		}
	})
}
