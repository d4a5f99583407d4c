package ready

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"sync"
)

// watcher looks for a matching line in the output that passes through.
type watcher struct {
	line *regexp.Regexp
	next io.Writer

	mu   sync.Mutex
	part []byte // the begin of a line whose end has not come
	seen bool
}

// longestLine bounds what is kept of a line without an end.
const longestLine = 64 << 10

var errNoLine = errors.New("no line of its output matched ready.log yet")

// begin forgets the output of an earlier life of the process.
func (w *watcher) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part, w.seen = nil, false
}

func (w *watcher) Write(p []byte) (int, error) {
	w.look(p)
	if w.next != nil {
		return w.next.Write(p)
	}
	return len(p), nil
}

func (w *watcher) look(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen {
		return
	}
	w.part = append(w.part, p...)
	for {
		line, rest, whole := bytes.Cut(w.part, []byte("\n"))
		if !whole {
			break
		}
		w.seen = w.seen || w.line.Match(line)
		w.part = rest
	}
	if len(w.part) > longestLine {
		w.part = w.part[len(w.part)-longestLine:]
	}
}

func (w *watcher) ready(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.seen {
		return errNoLine
	}
	return nil
}
