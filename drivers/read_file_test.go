package drivers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A pipe without a writer ends the wait by itself, and one that is written to at the same time is read.
func TestReadPipe(t *testing.T) {
	defer func(wait time.Duration) { pipeWait = wait }(pipeWait)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	pipeWait = 50 * time.Millisecond
	if _, err := ReadFile(pipe); err == nil || !strings.Contains(err.Error(), "nobody wrote") {
		t.Errorf("%v", err)
	}
	pipeWait = time.Minute
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte("body"), 0) }()
	if got, err := ReadFile(pipe); got != "body" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	if got, err := ReadFile("/dev/null"); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A device tells no size, and has no end.
func TestReadFileIsBounded(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("no /dev/zero here")
	}
	if _, err := ReadFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
}
