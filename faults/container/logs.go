package container

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
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
	done   chan struct{} // closed when the reader ended; nil before the first
	again  bool          // the container was started while the reader may still read its former life
	since  time.Time     // when the last line was written, by the engine's clock
	told   time.Time     // since, when the last reading began: Podman tells the lines of that second again
	closed bool
	failed error              // of next, the first
	stop   context.CancelFunc // of the last reader
}

const (
	// mostWords bounds the end of the output that is kept for errors.
	mostWords = 1000
	// readAgain is the pause before a stream that broke off is asked for again.
	readAgain = 200 * time.Millisecond
)

// follow reads the output until the container ends. A reader that is at work goes on, over the new life too.
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
			l.again = true
			return
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	l.done, l.stop, l.again = make(chan struct{}), stop, false
	go l.readAll(ctx)
}

// readAll reads one life after the other, until none is left to read.
func (l *logs) readAll(ctx context.Context) {
	for more := true; more; {
		_ = l.read(ctx) // what broke off is asked for again
		runs := l.runs(ctx)
		l.mu.Lock()
		more = (runs || l.again) && !l.closed && ctx.Err() == nil
		l.again = false
		if !more {
			l.stop()
			close(l.done)
		}
		l.mu.Unlock()
		if more && runs {
			pause(ctx, readAgain)
		}
	}
}

// runs says that the container may still write. An engine that cannot be asked leaves it open.
func (l *logs) runs(ctx context.Context) bool {
	inspected, err := l.engine.ContainerInspect(ctx, l.id, client.ContainerInspectOptions{})
	if err != nil {
		return !errdefs.IsNotFound(err)
	}
	return inspected.Container.State.Running
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// read reads until the engine ends the stream: the container ended or was removed.
func (l *logs) read(ctx context.Context) error {
	inspected, err := l.engine.ContainerInspect(ctx, l.id, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	l.mu.Lock()
	since := ""
	l.told = l.since
	if !l.since.IsZero() {
		since = l.since.Add(1).Format(time.RFC3339Nano)
	}
	l.mu.Unlock()
	out, err := l.engine.ContainerLogs(ctx, l.id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: true, Timestamps: true, Since: since,
	})
	if err != nil {
		return err
	}
	defer out.Close()
	if inspected.Container.Config.Tty {
		_, err = io.Copy(&ofTerminal{logs: l}, out) // a terminal has one stream, without frames
	} else {
		_, err = stdcopy.StdCopy(l, l, out)
	}
	return err
}

// Write takes a frame: the time, a space and a line or a piece of one.
func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := p
	if stamp, rest, found := bytes.Cut(p, []byte(" ")); found {
		if at, err := time.Parse(time.RFC3339Nano, string(stamp)); err == nil {
			if !at.After(l.told) {
				return len(p), nil
			}
			l.since, text = at, rest
		}
	}
	l.text = append(l.text, text...)
	if over := len(l.text) - mostWords; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	if l.next != nil && l.failed == nil {
		_, l.failed = l.next.Write(text)
	}
	return len(p), nil
}

// ofTerminal splits a terminal's stream into lines.
type ofTerminal struct {
	logs *logs
	line []byte
}

// mostLine bounds the part of a line that is held until its end.
const mostLine = 64 << 10

func (t *ofTerminal) Write(p []byte) (int, error) {
	t.line = append(t.line, p...)
	for {
		end := bytes.IndexByte(t.line, '\n') + 1
		if end == 0 && len(t.line) > mostLine {
			end = len(t.line)
		}
		if end == 0 {
			return len(p), nil
		}
		_, _ = t.logs.Write(t.line[:end]) // never fails
		t.line = append(t.line[:0], t.line[end:]...)
	}
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

// close waits for the reader, whose container was removed. detached ends the reader of a container that stays. An error says
// that the output was not kept.
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
		return l.failure()
	case <-ctx.Done():
		l.stop() // the goroutine ends with the connection
		return errors.Join(ctx.Err(), l.failure())
	}
}

func (l *logs) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}
