package drivers

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
	"unicode/utf8"
)

// MaxFile bounds a file of the scenario that is held in memory. In bytes.
const MaxFile = 64 << 20

// pipeWait is how long all content of a pipe may take.
var pipeWait = 10 * time.Second

// ReadFile reads a file that the scenario names. A file of more than MaxFile bytes is an error. So is a pipe without a writer, and one
// that does not end in time: it is waited for at most 10 s.
func ReadFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
			failed.Op = "open" // that is what was asked for
		}
		return "", err
	}
	if info.Size() > MaxFile {
		return "", fmt.Errorf("%s has %d bytes; at most %d are read", path, info.Size(), MaxFile)
	}
	if is := info.Mode().Type(); is&(os.ModeNamedPipe|os.ModeCharDevice) != 0 {
		return readPipe(path, is&os.ModeNamedPipe != 0)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return readAll(path, file)
}

// readPipe reads a pipe or a device. Neither opening nor reading waits longer than pipeWait: an open without O_NONBLOCK would wait for a
// writer, and nothing could end it.
func readPipe(path string, pipe bool) (content string, err error) {
	end := time.Now().Add(pipeWait)
	for {
		file, failed := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if failed != nil {
			return "", failed
		}
		_ = file.SetReadDeadline(end) // a device such as /dev/zero has none, and never waits
		content, err = readAll(path, file)
		file.Close()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "", fmt.Errorf("%s is a pipe or a device that did not end within %v, or to which nobody wrote: name a file", path, pipeWait)
		case err != nil || content != "" || !pipe:
			return content, err
		}
		time.Sleep(pipeWait / 500) // a writer may be about to open it
	}
}

func readAll(path string, file io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(file, MaxFile+1)) // devices and pipes tell no size
	if len(b) > MaxFile {
		return "", fmt.Errorf("%s has more than %d bytes, which is the most that is read", path, MaxFile)
	}
	return string(b), err
}

// CompileContent compiles the content of a file that is sent. Content that is no UTF-8 has no places: in an image or a compressed
// file "{{" stands by chance.
func (d Dialect) CompileContent(content string) (*Template, error) {
	if !utf8.ValidString(content) {
		return Literal(content), nil
	}
	return d.Compile(content)
}
