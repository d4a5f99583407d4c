package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// outputDir holds, in a record's folder, the output of processes and commands.
const outputDir = "output"

// mostOutput bounds one output file, in bytes. The file before it is kept too, so the last 4 to 8 MiB are there. mostLine
// bounds the bytes of a line that wait for the line's end.
const (
	mostOutput = 4 << 20
	mostLine   = 64 << 10
)

// output is an output file of bounded length. A full file replaces the one before it, and a new file begins. Values that
// came from the environment are replaced, line by line. Safe for concurrent use.
type output struct {
	path   string
	redact func(string) string

	mu   sync.Mutex
	file *os.File
	size int
	part []byte // of a line
	err  error  // the first one
}

// Output opens the output file of that name. A name may hold a folder. CloseOutputs closes the file if the caller does not.
func (f *Folder) Output(name string) (io.WriteCloser, error) {
	path := filepath.Join(f.dir, outputDir, name+".log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("keep output of %s: %w", name, err)
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("keep output of %s: %w", name, err)
	}
	o := &output{path: path, redact: f.redact, file: file}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outputs = append(f.outputs, o)
	return o, nil
}

// Write never fails and never holds up the writer. Close reports that output was lost.
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
	o.writeLines(o.part[:end])
	o.part = append(o.part[:0], o.part[end:]...)
	return len(p), nil
}

func (o *output) writeLines(lines []byte) {
	if len(lines) == 0 {
		return
	}
	if o.size > mostOutput {
		o.rotate()
	}
	n, err := o.file.WriteString(o.redact(string(lines)))
	o.size += n
	o.err = errors.Join(o.err, err)
}

// rotate begins a new file.
func (o *output) rotate() {
	err := errors.Join(o.file.Close(), os.Rename(o.path, o.path+".1"))
	file, create := os.Create(o.path)
	o.err = errors.Join(o.err, err, create)
	o.file, o.size = file, 0
}

// Close writes the rest of the last line. It is idempotent.
func (o *output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return o.err
	}
	o.writeLines(o.part)
	err := errors.Join(o.err, o.file.Close())
	o.file, o.err = nil, err
	return err
}
