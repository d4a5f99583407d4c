package container

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"
)

// life is one answer to a request for a container's output.
type life struct {
	lines []string // the seconds and the text
	hold  chan struct{}
}

// logEngine answers requests for the output of one container, one life after the other.
type logEngine struct {
	tty bool

	mu    sync.Mutex
	lives []life
	asked []string // the parameter since
}

func (e *logEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/json") {
		e.mu.Lock()
		defer e.mu.Unlock()
		running := len(e.lives) > 0
		_ = json.NewEncoder(w).Encode(map[string]any{"State": map[string]any{"Running": running}, "Config": map[string]any{"Tty": e.tty}})
		return
	}
	e.mu.Lock()
	e.asked = append(e.asked, r.FormValue("since"))
	if len(e.lives) == 0 {
		e.mu.Unlock()
		return
	}
	l := e.lives[0]
	e.lives = e.lives[1:]
	e.mu.Unlock()
	var to io.Writer = w
	if !e.tty {
		to = stdcopyWriter{w}
	}
	for _, line := range l.lines {
		second, text, _ := strings.Cut(line, " ")
		fmt.Fprintf(to, "2026-01-02T03:04:%s.000000001Z %s\n", second, text)
	}
	w.(http.Flusher).Flush()
	if l.hold != nil {
		<-l.hold
	}
}

// stdcopyWriter writes frames of standard output.
type stdcopyWriter struct{ w io.Writer }

func (s stdcopyWriter) Write(p []byte) (int, error) {
	head := []byte{byte(stdcopy.Stdout), 0, 0, 0, byte(len(p) >> 24), byte(len(p) >> 16), byte(len(p) >> 8), byte(len(p))}
	return s.w.Write(append(head, p...))
}

// bytesOf is a buffer for concurrent use.
type bytesOf struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *bytesOf) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func openLogs(t *testing.T, e *logEngine) (*logs, *bytesOf) {
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
	out := &bytesOf{}
	return &logs{engine: &Engine{Client: c}, id: "c", next: out}, out
}

func (b *bytesOf) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A container that is started again while the reader still reads its former life loses no line, and shows none twice.
func TestLogsOverRestarts(t *testing.T) {
	for _, tty := range []bool{false, true} {
		t.Run(fmt.Sprintf("tty %v", tty), func(t *testing.T) {
			hold := make(chan struct{})
			e := &logEngine{tty: tty, lives: []life{{[]string{"01 first"}, hold}, {[]string{"02 second"}, nil}, {[]string{"03 third"}, nil}}}
			l, out := openLogs(t, e)
			l.follow()
			l.follow() // of the second life: the first is still being read
			close(hold)
			l.await(t.Context(), time.Minute)
			if got := out.text(); got != "first\nsecond\nthird\n" {
				t.Errorf("kept %q", got)
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			// Each life is asked for from the line after the last one.
			if len(e.asked) < 3 || e.asked[0] != "" || !strings.HasSuffix(e.asked[1], ".000000002") || e.asked[1] >= e.asked[2] {
				t.Errorf("asked since %q", e.asked)
			}
			if err := l.close(t.Context(), false); err != nil {
				t.Error(err)
			}
		})
	}
}

// A reader that was left behind by its container's end is started again by the next life.
func TestLogsOfALaterLife(t *testing.T) {
	e := &logEngine{lives: []life{{[]string{"01 first"}, nil}}}
	l, out := openLogs(t, e)
	l.follow()
	l.await(t.Context(), time.Minute)
	e.mu.Lock()
	e.lives = []life{{[]string{"02 second"}, nil}}
	e.mu.Unlock()
	l.follow()
	l.await(t.Context(), time.Minute)
	if got := out.text(); got != "first\nsecond\n" {
		t.Errorf("kept %q", got)
	}
	if words := l.quote(t.Context()); words != "; its last lines: first\nsecond" {
		t.Errorf("quoted %q", words)
	}
}

// The reader of a container that stays is let go.
func TestLogsDetached(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	l, _ := openLogs(t, &logEngine{lives: []life{{[]string{"01 first"}, hold}}})
	l.follow()
	if err := l.close(t.Context(), true); err != nil {
		t.Error(err)
	}
	l.follow()
}

// An engine that takes whole seconds alone tells lines again: they are kept once.
func TestLogsOfAnEngineThatRepeats(t *testing.T) {
	hold := make(chan struct{})
	l, out := openLogs(t, &logEngine{lives: []life{{[]string{"05 one", "06 two"}, hold}, {[]string{"06 two", "07 three"}, nil}}})
	l.follow()
	l.follow()
	close(hold)
	l.await(t.Context(), time.Minute)
	if got := out.text(); got != "one\ntwo\nthree\n" {
		t.Errorf("kept %q", got)
	}
}
