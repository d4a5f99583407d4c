package runner

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"wringer/drivers"
)

// outputs let sources follow what parts of the target write, beside the record's files of it. The zero value is ready.
type outputs struct {
	mu   sync.Mutex
	kept map[string]bool   // the parts with an output
	taps map[string][]*tap // by part
}

// opener is open, whose outputs can be followed.
func (o *outputs) opener(open func(name string) (io.WriteCloser, error)) func(name string) (io.WriteCloser, error) {
	return func(name string) (io.WriteCloser, error) {
		w, err := open(name)
		if err != nil {
			return nil, err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.kept == nil {
			o.kept, o.taps = make(map[string]bool), make(map[string][]*tap)
		}
		o.kept[name] = true
		return &tapped{w, o, name}, nil
	}
}

// follow begins to follow the output of a part.
func (o *outputs) follow(part string) (drivers.Lines, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.kept[part] {
		return nil, fmt.Errorf("%w: the target keeps no output of a part %s", drivers.ErrConfig, part)
	}
	t := &tap{outputs: o, part: part, more: make(chan struct{}, 1)}
	o.taps[part] = append(o.taps[part], t)
	return t, nil
}

// tapped is the output of a part.
type tapped struct {
	io.WriteCloser
	outputs *outputs
	part    string
}

func (t *tapped) Write(p []byte) (int, error) {
	t.outputs.mu.Lock()
	taps := t.outputs.taps[t.part]
	t.outputs.mu.Unlock()
	for _, tap := range taps {
		tap.write(p)
	}
	return t.WriteCloser.Write(p)
}

// mostPending bounds the bytes that wait for the reader of an output, mostUnended those of a line without an end.
const (
	mostPending = 16 << 20
	mostUnended = 1 << 20
)

// tap is one reader of an output. It never holds up the part: lines for which there is no room are missing, and Next says so.
type tap struct {
	outputs *outputs
	part    string
	more    chan struct{} // holds a signal when there are new lines

	mu      sync.Mutex
	lines   [][]byte
	pending int
	rest    []byte // of a line
	lost    string // why lines are missing; empty: none are
}

func (t *tap) write(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost != "" {
		return
	}
	t.rest = append(t.rest, p...)
	for {
		line, rest, found := bytes.Cut(t.rest, []byte("\n"))
		if !found {
			break
		}
		t.lines = append(t.lines, bytes.Clone(bytes.TrimSuffix(line, []byte("\r"))))
		t.pending += len(line)
		t.rest = rest
	}
	t.rest = bytes.Clone(t.rest)
	switch {
	case t.pending > mostPending:
		t.lost = "it wrote faster than it was read"
	case len(t.rest) > mostUnended:
		t.lost = fmt.Sprintf("it wrote a line longer than %d bytes", mostUnended)
	}
	select {
	case t.more <- struct{}{}:
	default:
	}
}

// Next implements drivers.Lines.
func (t *tap) Next(ctx context.Context) ([]byte, error) {
	for {
		t.mu.Lock()
		if len(t.lines) > 0 {
			line := t.lines[0]
			t.lines, t.pending = t.lines[1:], t.pending-len(line)
			t.mu.Unlock()
			return line, nil
		}
		lost := t.lost
		t.mu.Unlock()
		if lost != "" {
			return nil, fmt.Errorf("lines of %s are missing: %s", t.part, lost)
		}
		select {
		case <-t.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Drained implements drivers.Lines.
func (t *tap) Drained() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.lines) == 0 && len(t.rest) == 0 && t.lost == ""
}

// Close implements drivers.Lines.
func (t *tap) Close() {
	o := t.outputs
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taps[t.part] = slices.DeleteFunc(slices.Clone(o.taps[t.part]), func(other *tap) bool { return other == t })
}
