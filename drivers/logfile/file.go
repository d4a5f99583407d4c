package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const (
	mostLine = 1 << 20 // bytes
	mostOld  = 8       // files that were rotated away and are still read
	printed  = 64      // bytes before the place of reading that must stay as they were
)

// file follows one file by its name. Another file that takes the name is read from its start, and the old one to its end: its writer
// may not have noticed yet. A file that is cut short, or written anew in place, may have lost lines that were not read: an error.
type file struct {
	path    string
	names   *names
	due     int     // files that took the name and were not opened; below 0: opened ahead of the word of it
	current *opened // nil: there is no file
	old     []*opened
	number  int32 // of the next file, for positions
}

// opened is one file that is read.
type opened struct {
	file   *os.File
	info   os.FileInfo
	number int32
	offset int64  // of the next byte to read
	part   []byte // of a line, before offset
	print  []byte // the last bytes before offset, as they were read
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// openFile begins at the end of the file as it is now. A file that is not there yet is read from its start.
func openFile(path string) (follower, error) {
	f := &file{path: path, names: watchNames(path)}
	switch err := f.look(); {
	case err != nil:
		return nil, errors.Join(err, f.close())
	case f.current == nil:
		return f, nil
	}
	o := f.current
	o.offset = o.info.Size()
	if err := o.remember(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// look opens the file that has taken the name. It is an error if another one had it in between: nobody has read that one.
func (f *file) look() error {
	came, err := f.names.came() // these took the name before it is looked at
	if err != nil {
		return err
	}
	f.due = max(0, f.due+came) // what a symbolic link leads to is opened without word of it
	before := f.number
	if err := f.reopen(); err != nil {
		return err
	}
	if f.due -= int(f.number - before); f.due > 0 {
		return fmt.Errorf("%s was rotated more than once within %v: lines may be missing; let it be rotated less often", f.path, pause)
	}
	return nil
}

// reopen opens the file of that name, if there is one that is not open.
func (f *file) reopen() error {
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case f.current != nil && os.SameFile(info, f.current.info):
		return nil
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", f.path)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	if info, err = file.Stat(); err != nil {
		return errors.Join(err, file.Close())
	}
	if f.current != nil {
		if f.old = append(f.old, f.current); len(f.old) > mostOld {
			return errors.Join(fmt.Errorf("%s was rotated more than %d times", f.path, mostOld), file.Close())
		}
	}
	f.current = &opened{file: file, info: info, number: f.number}
	f.number++
	return nil
}

// remember keeps the bytes before the place of reading.
func (o *opened) remember() error {
	n := min(o.offset, printed)
	o.print = make([]byte, n)
	if _, err := o.file.ReadAt(o.print, o.offset-n); err != nil && n > 0 {
		return err
	}
	return nil
}

// poll hands over the lines that were written since the last call. drained says that nothing was left, and no line is half written.
func (f *file) poll(take func(line []byte, number int32, offset int64) error) (drained bool, err error) {
	drained = true
	for _, o := range f.old {
		if err := o.read(take); err != nil {
			return false, fmt.Errorf("%s, which was rotated: %w", f.path, err)
		}
		drained = drained && len(o.part) == 0
	}
	if f.current != nil {
		if err := f.current.read(take); err != nil {
			return false, fmt.Errorf("%s: %w", f.path, err)
		}
	}
	before := f.current
	if err := f.look(); err != nil {
		return false, err
	}
	if f.current != nil && f.current != before {
		if before != nil { // what was written to it until it was renamed
			if err := before.read(take); err != nil {
				return false, fmt.Errorf("%s, which was rotated: %w", f.path, err)
			}
			drained = drained && len(before.part) == 0
		}
		if err := f.current.read(take); err != nil {
			return false, fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return drained && f.current != nil && len(f.current.part) == 0, nil
}

// unread says why not everything was read.
func (f *file) unread() error {
	if f.current == nil {
		return fmt.Errorf("there is no file %s", f.path)
	}
	return fmt.Errorf("the last line of %s has no end", f.path)
}

// read reads the whole lines from the place of reading on.
func (o *opened) read(take func(line []byte, number int32, offset int64) error) error {
	if err := o.unchanged(); err != nil {
		return err
	}
	chunk := make([]byte, 64<<10)
	for {
		n, err := o.file.ReadAt(chunk, o.offset)
		if n > 0 {
			if failed := o.add(chunk[:n], take); failed != nil {
				return failed
			}
		}
		switch {
		case err == io.EOF:
			// A file that was cut meanwhile shows it: its size or its bytes are others.
			return o.unchanged()
		case err != nil:
			return err
		}
	}
}

// add takes bytes at the place of reading.
func (o *opened) add(b []byte, take func(line []byte, number int32, offset int64) error) error {
	from := o.offset - int64(len(o.part))
	o.offset += int64(len(b))
	o.print = append(o.print, b...)
	if over := len(o.print) - printed; over > 0 {
		o.print = append(o.print[:0], o.print[over:]...)
	}
	o.part = append(o.part, b...)
	rest := o.part
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		if err := take(bytes.TrimSuffix(rest[:end], []byte("\r")), o.number, from); err != nil {
			return err
		}
		from, rest = from+int64(end)+1, rest[end+1:]
	}
	o.part = append(o.part[:0], rest...)
	if len(o.part) > mostLine {
		return fmt.Errorf("a line is longer than %d bytes", mostLine)
	}
	return nil
}

// unchanged checks that what was read still stands there.
func (o *opened) unchanged() error {
	info, err := o.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < o.offset {
		return fmt.Errorf("it was cut from %d to %d bytes while it was read: lines may be missing; let it be renamed in place of cut", o.offset, info.Size())
	}
	now := make([]byte, len(o.print))
	if _, err := o.file.ReadAt(now, o.offset-int64(len(now))); err != nil && len(now) > 0 && err != io.EOF {
		return err
	}
	if !bytes.Equal(now, o.print) {
		return errors.New("it was written anew in place while it was read: lines may be missing; let it be renamed in place of cut")
	}
	return nil
}

func (f *file) close() error {
	f.names.close()
	var all []error
	for _, o := range append(f.old, f.current) {
		if o != nil {
			all = append(all, o.file.Close())
		}
	}
	return errors.Join(all...)
}
