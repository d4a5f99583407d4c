package prometheus

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"wringer/reports/recordtest"
)

// receiver is a receiver of remote write that reads what it is sent.
type receiver struct {
	t     *testing.T
	mu    sync.Mutex
	times []int64            // of the pushes
	last  map[string]float64 // of the last push, by series without scenario
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, q *http.Request) {
	raw, _ := io.ReadAll(q.Body)
	b, err := snappy.Decode(nil, raw)
	if err != nil || q.Header.Get("Content-Encoding") != "snappy" || q.Header.Get("X-Prometheus-Remote-Write-Version") != "0.1.0" {
		r.t.Errorf("%v, %v", err, q.Header)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = make(map[string]float64)
	var at int64
	each(r.t, b, func(_ protowire.Number, series []byte) {
		var name string
		var labels []string
		var value float64
		before := ""
		each(r.t, series, func(field protowire.Number, part []byte) {
			if field == fieldSample {
				bits, n := protowire.ConsumeFixed64(part[1:])
				millis, _ := protowire.ConsumeVarint(part[1+n+1:])
				value, at = math.Float64frombits(bits), int64(millis)
				return
			}
			var pair []string
			each(r.t, part, func(_ protowire.Number, text []byte) { pair = append(pair, string(text)) })
			if pair[0] <= before || pair[1] == "" {
				r.t.Errorf("label %q after %s", pair, before)
			}
			before = pair[0]
			switch pair[0] {
			case "__name__":
				name = pair[1]
			case "scenario":
			default:
				labels = append(labels, fmt.Sprintf("%s=%q", pair[0], pair[1]))
			}
		})
		r.last[name+"{"+strings.Join(labels, ",")+"}"] = value
	})
	r.times = append(r.times, at)
}

// each walks over the fields of a message whose values have a length.
func each(t *testing.T, b []byte, f func(protowire.Number, []byte)) {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		value, m := protowire.ConsumeBytes(b[max(n, 0):])
		if n < 0 || m < 0 || kind != protowire.BytesType {
			t.Fatalf("no field of a message: %x", b)
		}
		f(field, value)
		b = b[n+m:]
	}
}

// shown is an exporter with a record.
func shown() *Exporter {
	e := New()
	e.Take(over(recordtest.Fail().Run))
	return e
}

// What is pushed is what is scraped. Each push has a later time, so that no receiver refuses it.
func TestPushes(t *testing.T) {
	r := &receiver{t: t}
	server := httptest.NewServer(r)
	defer server.Close()
	e := shown()
	p, err := Push(PushConfig{URL: server.URL, Gather: e.Gather, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	p.Now()
	p.Now()
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(r.times) != 3 || r.times[0] >= r.times[1] || r.times[1] >= r.times[2] {
		t.Errorf("pushes at %v", r.times)
	}
	for series, want := range gathered(t, e.state.Load()) {
		name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		if name == response.name {
			name += "_count"
		}
		found := false
		for got, value := range r.last {
			other, pairs, _ := strings.Cut(strings.TrimSuffix(got, "}"), "{")
			found = found || other == name && sameLabels(labels, pairs) && value == want
		}
		if !found {
			t.Errorf("%s = %v was not pushed", series, want)
		}
	}
	if v := r.last[`wringer_response_seconds_bucket{job="wringer",le="+Inf",stream="orders"}`]; v == 0 {
		t.Error("no bucket was pushed")
	}
}

// sameLabels compares two lists of labels apart from the job.
func sameLabels(scraped, pushed string) bool {
	pushed = strings.ReplaceAll(strings.ReplaceAll(pushed, `,job="wringer"`, ""), `job="wringer"`, "")
	return scraped == strings.TrimPrefix(pushed, ",")
}

// A receiver that fails is asked again at most twice, and told of. One that refuses is not.
func TestFailuresAreCountedAndTold(t *testing.T) {
	for status, requests := range map[int]int64{500: 3, 429: 3, 400: 1, 302: 1} {
		var asked atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Location", "/elsewhere")
			http.Error(w, "not today", status)
		}))
		var first atomic.Value
		p, err := Push(PushConfig{
			URL: strings.Replace(server.URL, "http://", "http://me:hunter2@", 1), Gather: shown().Gather, Every: time.Hour, Backoff: time.Millisecond,
			Failed: func(err error) { first.Store(err.Error()) },
		})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Close(t.Context())
		if err == nil || !strings.Contains(err.Error(), "1 of 1 pushes") || !strings.Contains(err.Error(), "not today") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%d: %v", status, err)
		}
		if text, _ := first.Load().(string); !strings.Contains(text, "push metrics to http://me:xxxxx@") {
			t.Errorf("%d: told %q", status, text)
		}
		if asked.Load() != requests {
			t.Errorf("%d: asked %d times, want %d", status, asked.Load(), requests)
		}
		server.Close()
	}
}

// A receiver that never answers holds up neither the run nor the end. The pushes that find no room are counted.
func TestAReceiverThatHangs(t *testing.T) {
	release, hangs := make(chan struct{}), make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		hangs <- struct{}{}
		<-release
	}))
	defer server.Close()
	defer close(release)
	p, err := Push(PushConfig{URL: server.URL, Gather: shown().Gather, Every: time.Hour, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	p.Now()
	<-hangs
	for range waiting + 5 {
		p.Now() // returns although nothing is taken
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = p.Close(ctx)
	if all := waiting + 7; err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d of %d pushes", all, all)) {
		t.Errorf("%v", err)
	}
}

// A request that takes too long is given up, and made again.
func TestARequestHasATimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	p, err := Push(PushConfig{URL: server.URL, Gather: shown().Gather, Every: time.Hour, Timeout: time.Millisecond, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "no answer within 1ms") {
		t.Errorf("%v", err)
	}
}

func TestReceiversAreURLs(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:9090", "ftp://h/", "http://", "http://%zz"} {
		if _, err := Push(PushConfig{URL: bad}); err == nil || !strings.Contains(err.Error(), "/api/v1/write") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
