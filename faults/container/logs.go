package container

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// logs follow a container's output over its lives. They are safe for concurrent use.
type logs struct {
	engine *Engine
	id     string
	next   io.Writer // may be nil

	mu     sync.Mutex
	text   []byte        // the end of the output
	done   chan struct{} // closed when the reader of the last life ended; nil before the first
	since  time.Time     // the end of the last reader
	closed bool
	stop   context.CancelFunc // of the last reader
}

// mostWords bounds the end of the output that is kept for errors.
const mostWords = 1000

// follow reads the output until the container ends. A reader that is at work goes on.
func (l *logs) follow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if l.done != nil {
		select {
		case <-l.done:
		default:
			return
		}
	}
	done := make(chan struct{})
	since := ""
	if !l.since.IsZero() {
		since = l.since.Format(time.RFC3339Nano)
	}
	ctx, stop := context.WithCancel(context.Background())
	l.done, l.stop = done, stop
	go func() {
		defer close(done)
		defer stop()
		l.read(ctx, since)
	}()
}

func (l *logs) read(ctx context.Context, since string) {
	// The engine ends the stream when the container ends or is removed.
	out, err := l.engine.ContainerLogs(ctx, l.id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: true, Since: since,
	})
	if err == nil {
		_, _ = stdcopy.StdCopy(l, l, out)
		_ = out.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Now()
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - mostWords; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	if l.next != nil {
		return l.next.Write(p)
	}
	return len(p), nil
}

// settle is how long the last lines of an ended container may take to arrive.
const settle = time.Second

// quote quotes the end of the output for an error. It waits for the rest of an ended container's output, at most for a second.
func (l *logs) quote(ctx context.Context) string {
	l.await(ctx, settle)
	l.mu.Lock()
	defer l.mu.Unlock()
	if text := strings.ToValidUTF8(strings.TrimSpace(string(l.text)), "?"); text != "" {
		return "; its last lines: " + text
	}
	return ""
}

func (l *logs) await(ctx context.Context, most time.Duration) {
	l.mu.Lock()
	done := l.done
	l.mu.Unlock()
	if done == nil {
		return
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// close waits for the reader, whose container was removed. detached ends the reader of a container that stays.
func (l *logs) close(ctx context.Context, detached bool) error {
	l.mu.Lock()
	done := l.done
	l.closed = true
	if detached && l.stop != nil {
		l.stop()
	}
	l.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
