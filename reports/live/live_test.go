package live

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/recordtest/browser"
)

func TestMain(m *testing.M) {
	code := browser.Shared(m).Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
		code = 1
	}
	os.Exit(code)
}

// part is what the runner's Watch hands out of a record's run at second to, if it did so before at second from.
func part(rec *reports.Record, from, to int64) *reports.Run {
	run := *rec.Run
	run.DurationNS, run.Complete, run.Verdict, run.Why = to*1e9, false, reports.Inconclusive, []string{"the run did not end"}
	run.Faults, run.Findings, run.Links = nil, nil, nil
	run.Streams = make(map[string]*reports.Stream)
	for name, s := range rec.Run.Streams {
		one := *s
		one.Seconds = slices.Clone(s.Seconds[min(int(from), len(s.Seconds)):min(int(to), len(s.Seconds))])
		one.Gauges = make(map[string][]reports.Sample)
		for gauge, samples := range s.Gauges {
			for _, sample := range samples {
				if sample.AtNS > from*1e9 && sample.AtNS <= to*1e9 {
					one.Gauges[gauge] = append(one.Gauges[gauge], sample)
				}
			}
		}
		run.Streams[name] = &one
	}
	run.Windows = nil
	for _, w := range rec.Run.Windows {
		if w.EndNS = min(w.EndNS, to*1e9); w.StartNS < w.EndNS {
			run.Windows = append(run.Windows, w)
		}
	}
	return &run
}

func open(t *testing.T) *Server {
	t.Helper()
	s, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.share = 0 // on a busy machine an edition may take long
	return s
}

func TestRowsGrow(t *testing.T) {
	rec := recordtest.Fail()
	all := &reports.Run{}
	var snapshots []*reports.Run
	for at := int64(0); at < 40; at += 4 {
		all = grown(all, part(rec, at, at+4))
		snapshots = append(snapshots, all)
	}
	for name, s := range rec.Run.Streams {
		if !reflect.DeepEqual(all.Streams[name].Seconds, s.Seconds) {
			t.Errorf("%s: %d rows, want the %d of the record", name, len(all.Streams[name].Seconds), len(s.Seconds))
		}
		for gauge, samples := range s.Gauges {
			if !reflect.DeepEqual(all.Streams[name].Gauges[gauge], samples) {
				t.Errorf("%s: %d samples of %s, want %d", name, len(all.Streams[name].Gauges[gauge]), gauge, len(samples))
			}
		}
	}
	if n := len(snapshots[2].Streams["orders"].Seconds); n != 12 {
		t.Errorf("a record that was handed out has %d rows now, and had 12", n)
	}
}

func TestSeriesOfTheTargetGrow(t *testing.T) {
	all := &reports.Run{}
	for at := range int64(3) {
		series := map[string]*reports.ObservedSeries{"heap": {Samples: []reports.Sample{{AtNS: at}}}}
		all = grown(all, &reports.Run{Observed: map[string]*reports.Observed{"jvm": {Series: series}}})
	}
	if n := len(all.Observed["jvm"].Series["heap"].Samples); n != 3 {
		t.Errorf("%d samples, want 3", n)
	}
}

// Memory stays bounded: from two hours on a stream has the rows of its record.
func TestLongRunsAreCoarse(t *testing.T) {
	const day = 24 * 3600
	all := &reports.Run{}
	for at := range int64(8000) {
		row := reports.Second{StartNS: at * 1e9, Counts: reports.Counts{Offered: 10, Acked: 10}}
		all = grown(all, &reports.Run{PlannedNS: day * 1e9, DurationNS: (at + 1) * 1e9, Streams: map[string]*reports.Stream{"a": {Seconds: []reports.Second{row}}}})
	}
	s, length := all.Streams["a"], int64(reports.Resolution(day))*1e9
	var sum int64
	for i := range s.Seconds {
		sum += s.Seconds[i].Acked
	}
	if s.ResolutionNS != length || int64(len(s.Seconds)) != (8000e9+length-1)/length || sum != 80000 || all.DurationNS != 8000e9 {
		t.Errorf("%d rows of %d ns with %d operations after %d ns", len(s.Seconds), s.ResolutionNS, sum, all.DurationNS)
	}
}

// event is one that a watcher got.
type event struct {
	id, kind string
	update
}

// watch asks for events. last and after are the last edition, in a header and in the URL.
func watch(t *testing.T, s *Server, after, last string) (next func() event) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"events?after="+after, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return reader(t, bufio.NewReader(answer.Body))
}

func reader(t *testing.T, lines *bufio.Reader) (next func() event) {
	return func() (e event) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("no event: %v", err)
			}
			line = strings.TrimSuffix(line, "\n")
			name, value, _ := strings.Cut(line, ": ")
			switch {
			case name == "id":
				e.id = value
			case name == "event":
				e.kind = value
			case name == "data" && value != "":
				if err := json.Unmarshal([]byte(value), &e.update); err != nil {
					t.Fatal(err)
				}
			case line == "" && e.kind != "":
				return e
			}
		}
	}
}

func lengthOf(t *testing.T, e event) float64 {
	t.Helper()
	var data struct{ Length float64 }
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatal(err)
	}
	return data.Length
}

// A watcher gets what changed, and no more. One that lost its connection gets what changed since; one of another server gets all.
func TestWatchersGetWhatChanged(t *testing.T) {
	s, rec := open(t), recordtest.Fail()
	defer s.Close()
	s.Begin("sample", "")
	next := watch(t, s, "", "")
	first := next()
	s.Show(part(rec, 0, 10), "")
	second := next()
	s.Show(part(rec, 10, 20), "")
	third := next()
	if s.numberOf(first.id) != 1 || s.numberOf(second.id) != 2 || s.numberOf(third.id) != 3 {
		t.Errorf("ids %s, %s, %s", first.id, second.id, third.id)
	}
	if got := lengthOf(t, third); got != 20 {
		t.Errorf("the charts are %g s long, want 20", got)
	}
	if !strings.Contains(third.Pieces["banner"], "20 s of 40 s") || third.Pieces["glossary"] != "" || !slices.Contains(third.Order, "glossary") {
		t.Errorf("the pieces %v of %v, banner %s", len(third.Pieces), third.Order, third.Pieces["banner"])
	}
	resumed := watch(t, s, first.id, second.id)()
	if resumed.id != third.id || !reflect.DeepEqual(resumed.Pieces, third.Pieces) {
		t.Errorf("resumed at %s with %d pieces, want %d", resumed.id, len(resumed.Pieces), len(third.Pieces))
	}
	if other := watch(t, s, "1-3", "")(); len(other.Pieces) != len(third.Order) {
		t.Errorf("a watcher of another server gets %d pieces of %d", len(other.Pieces), len(third.Order))
	}
}

// slow is a watcher that takes nothing until it is let.
type slow struct {
	*httptest.ResponseRecorder
	let chan struct{}
}

func (s *slow) Write(p []byte) (int, error)      { <-s.let; return s.ResponseRecorder.Write(p) }
func (s *slow) SetWriteDeadline(time.Time) error { return nil }

// A slow watcher holds up neither the run nor the others, and skips what came meanwhile.
func TestSlowWatcherSkips(t *testing.T) {
	s, rec := open(t), recordtest.Fail()
	w := &slow{httptest.NewRecorder(), make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serveEvents(w, httptest.NewRequest(http.MethodGet, "/events", nil))
	}()
	w.let <- struct{}{} // the head; what follows waits
	for at := range int64(5) {
		s.Show(part(rec, 8*at, 8*at+8), "")
		watch(t, s, "", "")()
	}
	close(w.let)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	next, updates := reader(t, bufio.NewReader(w.Body)), 0
	last := next()
	for e := last; e.kind == "update"; e = next() {
		last = e
		updates++
	}
	if updates > 2 || lengthOf(t, last) != 40 {
		t.Errorf("%d updates, the last of %g s; want 2 at most, up to the end", updates, lengthOf(t, last))
	}
}

// At the end the page is the report of the record, and no watcher is waited for.
func TestEnd(t *testing.T) {
	s, rec := open(t), recordtest.Fail()
	next := watch(t, s, "", "")
	next()
	s.Show(part(rec, 0, 40), "")
	next()
	s.Final(rec)
	last := next()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if e := next(); e.kind != "end" || !strings.HasPrefix(last.Title, "fail: ") || !strings.Contains(last.Pieces["banner"], rec.Run.Name) || last.Pieces["evidence"] == "" {
		t.Errorf("the last update is %q with the pieces of %v, then comes %q", last.Title, last.Order, e.kind)
	}
	if _, err := http.Get(s.URL()); err == nil {
		t.Error("the server serves on")
	}
}

func TestWhoMayWatch(t *testing.T) {
	s := open(t)
	defer s.Close()
	for _, c := range []struct {
		token, method, host, url string
		want                     int
	}{
		{"", "GET", "127.0.0.1:80", "/", 200},
		{"", "GET", "localhost", "/", 200},
		{"", "GET", "[::1]:80", "/", 200},
		{"", "GET", "evil.example:80", "/", 403},
		{"", "GET", "", "/", 403},
		{"", "GET", "127.0.0.1", "/favicon.ico", 204},
		{"", "GET", "127.0.0.1", "/other", 404},
		{"", "POST", "127.0.0.1", "/", 405},
		{"secret", "GET", "127.0.0.1", "/", 403},
		{"secret", "GET", "127.0.0.1", "/events?token=secre", 403},
		{"secret", "GET", "127.0.0.1", "/?token=secret", 200},
		{"secret", "GET", "evil.example", "/?token=secret", 403},
	} {
		s.token = c.token
		r := httptest.NewRequest(c.method, c.url, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
	s.token = ""
	for range mostWatchers {
		s.watchers <- struct{}{}
	}
	w := httptest.NewRecorder()
	s.serveEvents(w, httptest.NewRequest(http.MethodGet, "/events", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("one watcher too many gets %d", w.Code)
	}
}

// Where others can reach the page, its URL holds a token.
func TestAddresses(t *testing.T) {
	s, err := Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, token, found := strings.Cut(s.URL(), "/?token="); !found || len(token) < 20 {
		t.Errorf("the URL is %s", s.URL())
	}
	for _, address := range []string{"8080", s.listener.Addr().String()} {
		if _, err := Listen(t.Context(), address); err == nil {
			t.Errorf("%s is listened on", address)
		}
	}
}

// Hostile text is no markup, in the page as in what follows.
func TestHostileTextStaysText(t *testing.T) {
	s, rec := open(t), recordtest.Hostile()
	defer s.Close()
	s.Show(part(rec, 0, 10), "")
	s.Final(rec)
	e := watch(t, s, "", "")()
	for id, html := range e.Pieces {
		if id != "banner" && id != "nav" && (!strings.HasPrefix(html, `<section id="`+id+`"`) || strings.Count(html, "<section") != 1) {
			t.Errorf("piece %s is no section of its own", id)
		}
		if strings.Contains(html, "<script") || strings.Contains(html, "<img") {
			t.Errorf("piece %s has markup of the record", id)
		}
	}
}
