package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// outputDir holds, in a record's folder, what processes and commands wrote.
const outputDir = "output"

// The bounds of one file of output, and of a line kept back until its end has come. With the file before it, the last 4 to
// 8 MiB are kept.
const (
	mostOutput = 4 << 20
	mostLine   = 64 << 10
)

// output is a file of output of bounded length: when it is full it takes the place of the one before, and a new one begins.
// What came from the environment is replaced, line by line. Safe for concurrent use.
type output struct {
	path   string
	redact func(string) string

	mu   sync.Mutex
	file *os.File
	size int
	part []byte // of a line
	err  error  // the first one
}

// output opens the file of that name. A name may hold a folder.
func (b *book) output(name string) (io.WriteCloser, error) {
	path := filepath.Join(b.dir, outputDir, name+".log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("keep output of %s: %w", name, err)
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("keep output of %s: %w", name, err)
	}
	o := &output{path: path, redact: b.sc.Redact, file: file}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.outputs = append(b.outputs, o)
	return o, nil
}

// Write never fails: that a record is short of output is told by Close, and is no reason to hold up who writes.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return len(p), nil
	}
	o.part = append(o.part, p...)
	end := bytes.LastIndexByte(o.part, '\n') + 1
	if end == 0 && len(o.part) > mostLine {
		end = len(o.part)
	}
	o.put(o.part[:end])
	o.part = append(o.part[:0], o.part[end:]...)
	return len(p), nil
}

func (o *output) put(lines []byte) {
	if len(lines) == 0 {
		return
	}
	if o.size > mostOutput {
		o.turn()
	}
	n, err := o.file.WriteString(o.redact(string(lines)))
	o.size += n
	o.err = errors.Join(o.err, err)
}

// turn begins a new file.
func (o *output) turn() {
	err := errors.Join(o.file.Close(), os.Rename(o.path, o.path+".1"))
	file, create := os.Create(o.path)
	o.err = errors.Join(o.err, err, create)
	o.file, o.size = file, 0
}

// Close writes what is left. It is idempotent.
func (o *output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return o.err
	}
	o.put(o.part)
	err := errors.Join(o.err, o.file.Close())
	o.file, o.err = nil, err
	return err
}
