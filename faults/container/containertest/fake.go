package containertest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/client"

	"wringer/faults/container"
)

// Fake stands in for an engine. It is safe for concurrent use.
type Fake struct {
	Engine *container.Engine

	mu      sync.Mutex
	asked   []string
	answers map[string]string
	first   map[string][]string // before those of answers
}

// Missing is the answer of an engine that does not know the request.
const Missing = "!missing"

// NewFake serves the answers, JSON by "METHOD /path" without the API's version. An answer that begins with an exclamation mark is an
// error. Everything else is answered with an empty object.
func NewFake(t testing.TB, answers map[string]string) *Fake {
	t.Helper()
	folder, err := os.MkdirTemp("", "fake") // short: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	l, err := net.Listen("unix", filepath.Join(folder, "s"))
	if err != nil {
		t.Fatal(err)
	}
	f := &Fake{answers: answers}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: f}}
	s.Start()
	t.Cleanup(s.Close)
	c, err := client.New(client.WithHost("unix://"+l.Addr().String()), client.WithAPIVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	f.Engine = &container.Engine{Client: c, Endpoint: "unix://" + l.Addr().String()}
	return f
}

func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	path := r.URL.Path
	if rest, versioned := strings.CutPrefix(path, "/v"); versioned {
		path = rest[strings.IndexByte(rest, '/'):]
	}
	key := r.Method + " " + path
	f.mu.Lock()
	f.asked = append(f.asked, strings.TrimSpace(key+" "+string(body)))
	answer, known := f.answers[key]
	if first := f.first[key]; len(first) > 0 {
		answer, known, f.first[key] = first[0], true, first[1:]
	}
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if answer == Missing {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if text, bad := strings.CutPrefix(answer, "!"); bad {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, `{"message": %q}`, text)
		return
	}
	if !known {
		answer = "{}"
	}
	io.WriteString(w, answer)
}

// Set changes an answer.
func (f *Fake) Set(key, answer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[key] = answer
}

// First sets what is answered before the answer that is set: one answer a request.
func (f *Fake) First(key string, answers ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = make(map[string][]string)
	}
	f.first[key] = answers
}

// Asked lists the requests so far that changed something: all but GET.
func (f *Fake) Asked() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if !strings.HasPrefix(a, http.MethodGet) {
			all = append(all, a)
		}
	}
	return all
}

// Times counts the requests so far of a method and a path.
func (f *Fake) Times(key string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if a == key {
			n++
		}
	}
	return n
}
