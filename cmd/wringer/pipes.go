package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// pipePatience is how long the reader of a named pipe may take to come, and then to take each piece of what is written.
var pipePatience = 10 * time.Second

// patientPipe is a named pipe that is written to. Neither a missing reader nor one that takes nothing holds the command up for good.
type patientPipe struct{ *os.File }

// openPipe opens a named pipe. An open without O_NONBLOCK would wait for a reader, and no signal would end it.
func openPipe(path string) (*patientPipe, error) {
	for end := time.Now().Add(pipePatience); ; time.Sleep(pipePatience / 500) {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
		switch {
		case err == nil:
			return &patientPipe{file}, nil
		case !errors.Is(err, syscall.ENXIO):
			return nil, err
		case time.Now().After(end):
			return nil, fmt.Errorf("%s is a pipe that nobody reads: start its reader first, or name a file", path)
		}
	}
}

// Write implements io.Writer.
func (p *patientPipe) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		var n int
		_ = p.SetWriteDeadline(time.Now().Add(pipePatience))
		n, err = p.File.Write(b[:min(len(b), 4096)])
		written, b = written+n, b[n:]
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("%s is a pipe whose reader took nothing for %v", p.Name(), pipePatience)
	}
	return written, err
}

// outputFile is what an output is written to.
type outputFile interface {
	Write(b []byte) (int, error)
	Close() error
}

// openSpecial opens an output that is no file to replace.
func openSpecial(path string) (outputFile, error) {
	if at, err := os.Stat(path); err == nil && at.Mode()&fs.ModeNamedPipe != 0 {
		return openPipe(path)
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
}

// writeSpecial writes to an output that is no file to replace.
func writeSpecial(path string, b []byte) error {
	f, err := openSpecial(path)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
