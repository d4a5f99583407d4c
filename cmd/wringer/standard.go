package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// farewell is how long a reader of the output may take nothing once the command is to end.
	farewell = 2 * time.Second
	// lagging is how long a line of progress is waited for. Then it is written as its reader gets to it.
	lagging = 500 * time.Millisecond
	// mostLate bounds the lines that wait for their reader. Further ones are left out.
	mostLate = 4096
)

// standardOutputs are the streams of the command that are no terminals. A reader that takes nothing, such as a pager, holds up neither a
// run nor its end. Where stdout and stderr are one pipe, their texts keep their order.
type standardOutputs struct {
	ctx     context.Context // ends when the command is to end
	end     func()
	writers []*slowWriter
	files   []os.FileInfo
}

func newStandardOutputs(ctx context.Context, end func()) *standardOutputs {
	return &standardOutputs{ctx: ctx, end: end}
}

// of is a standard stream. progress: what it takes may be read later, or be left out. A terminal has no reader that could go.
func (o *standardOutputs) of(file *os.File, progress bool) io.Writer {
	if width, _ := terminal(file); width > 0 {
		return file
	}
	info, err := file.Stat()
	if err != nil {
		return file // it is closed: each write says so
	}
	for i, w := range o.writers {
		if os.SameFile(info, o.files[i]) {
			return &standardOutput{w, progress}
		}
	}
	w := newSlowWriter(o.ctx, file, o.end)
	o.writers, o.files = append(o.writers, w), append(o.files, info)
	return &standardOutput{w, progress}
}

// flush waits until all is written, or its reader is given up.
func (o *standardOutputs) flush() {
	for _, w := range o.writers {
		w.flush()
	}
}

// standardOutput is one stream over a writer, which another stream may share.
type standardOutput struct {
	*slowWriter
	progress bool
}

// Write implements io.Writer.
func (o *standardOutput) Write(p []byte) (int, error) {
	if o.progress {
		return o.slowWriter.later(p)
	}
	return o.slowWriter.now(p)
}

// slowWriter writes in the order of its calls. Its methods are safe for concurrent use.
type slowWriter struct {
	queue   chan slowText
	waiting atomic.Int64  // texts that are not written
	taken   atomic.Int64  // texts that are
	gone    chan struct{} // closed when the reader is given up, and at the end
	leave   func()        // closes gone, once
}

type slowText struct {
	text []byte     // nil: it was the last one
	done chan error // holds one
}

// newSlowWriter returns a writer to file until flush. end is called when nobody reads it any more. Once ctx is over, a reader that takes
// nothing for the time of a farewell is given up.
func newSlowWriter(ctx context.Context, file io.Writer, end func()) *slowWriter {
	w := &slowWriter{queue: make(chan slowText, mostLate), gone: make(chan struct{})}
	w.leave = sync.OnceFunc(func() { close(w.gone) })
	context.AfterFunc(ctx, w.hurry)
	go w.run(file, end)
	return w
}

func (w *slowWriter) run(file io.Writer, end func()) {
	for {
		var text slowText
		select {
		case text = <-w.queue:
		case <-w.gone:
			return
		}
		var err error
		if text.text != nil {
			_, err = file.Write(text.text)
		}
		if errors.Is(err, syscall.EPIPE) {
			end()
		}
		w.waiting.Add(-1)
		w.taken.Add(1)
		text.done <- err
		if text.text == nil {
			return
		}
	}
}

// hurry gives up the reader when it takes nothing.
func (w *slowWriter) hurry() {
	for before := int64(-1); ; {
		taken := w.taken.Load()
		switch {
		case w.waiting.Load() == 0:
			before = -1
		case taken == before:
			w.leave()
		default:
			before = taken
		}
		select {
		case <-w.gone:
			return
		case <-time.After(farewell):
		}
	}
}

// now writes, and waits for the reader.
func (w *slowWriter) now(p []byte) (int, error) { return w.write(p, nil) }

// later writes, and waits for the reader for a moment.
func (w *slowWriter) later(p []byte) (int, error) {
	if len(w.queue) == cap(w.queue) {
		return len(p), nil
	}
	enough := time.NewTimer(lagging)
	defer enough.Stop()
	return w.write(p, enough.C)
}

func (w *slowWriter) write(p []byte, enough <-chan time.Time) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	text := slowText{bytes.Clone(p), make(chan error, 1)}
	if !w.put(text) {
		return 0, syscall.EPIPE
	}
	select {
	case err := <-text.done:
		if err != nil {
			return 0, err
		}
	case <-enough:
	case <-w.gone:
		return 0, syscall.EPIPE
	}
	return len(p), nil
}

// put queues a text. It says false when the reader was given up.
func (w *slowWriter) put(text slowText) bool {
	select {
	case <-w.gone:
		return false
	default:
	}
	w.waiting.Add(1)
	select {
	case w.queue <- text:
		return true
	case <-w.gone:
		return false
	}
}

// flush waits until all is written, or its reader is given up. Nothing is written after it.
func (w *slowWriter) flush() {
	last := slowText{done: make(chan error, 1)}
	if w.put(last) {
		select {
		case <-last.done:
		case <-w.gone:
		}
	}
	w.leave()
}

// readerGone says whether a text could not be written because nobody reads the output any more: its pipe was closed, or it was a terminal
// which is gone.
func readerGone(out io.Writer, err error) bool {
	_, terminal := out.(*os.File)
	return errors.Is(err, syscall.EPIPE) || terminal && errors.Is(err, syscall.EIO)
}
