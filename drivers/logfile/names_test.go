//go:build linux

package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that had the name between two looks was read by nobody. It is told, and one rotation after the other is not.
func TestRotatedTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later", "ledger.log")
	var lines []string
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	}()
	poll := func() error {
		_, err := f.poll(func(line []byte, _ int32, _ int64) error { lines = append(lines, string(line)); return nil })
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(text string) {
		t.Helper()
		must(os.WriteFile(path+".new", []byte(text+"\n"), 0o644))
		must(os.WriteFile(filepath.Join(filepath.Dir(path), "another"), nil, 0o644))
		must(os.Rename(path+".new", path))
	}
	must(poll())
	must(os.Mkdir(filepath.Dir(path), 0o755))
	must(poll())
	for _, text := range []string{"one", "two", "three"} {
		put(text)
		must(poll())
		must(poll())
	}
	must(os.Remove(path))
	put("four")
	must(poll())
	if got := strings.Join(lines, " "); got != "one two three four" {
		t.Fatalf("read %q", got)
	}
	put("five")
	put("six")
	if err := poll(); err == nil || !strings.Contains(err.Error(), "rotated more than once") {
		t.Errorf("%v: a file was read by nobody", err)
	}
}

// What a symbolic link leads to is followed, and rotated without a word of it in the link's folder.
func TestRotatedBehindALink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "a", "log"), filepath.Join(dir, "log")
	for _, err := range []error{os.Mkdir(filepath.Dir(real), 0o755), os.WriteFile(real, nil, 0o644), os.Symlink(real, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := openFile(link)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	for range 3 {
		if err := os.Rename(real, real+".1"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(real, []byte("x\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := f.poll(func([]byte, int32, int64) error { return nil }); err != nil {
			t.Error(err)
		}
	}
}
