package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is one run of a process. It leads a process group of its own, which ends with it.
type child struct {
	pid  int
	mark string        // in the environment of the child and of all its descendants
	done chan struct{} // closed when the child has ended, its output is read, and the journal has its entry
	err  error         // how the child ended; valid once done is closed
	// undone delivers the function that notes the end in the journal.
	undone chan func() error
	tail   *outputTail
}

// start starts the program. It returns once the process has a pid and the journal has its entry.
func start(spec Spec) (*child, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(spec.Command[0], spec.Command[1:]...)
	cmd.Dir, cmd.Env = spec.Dir, append(os.Environ(), append(spec.Env, marker+spec.mark())...)
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = ownGroup()
	c := &child{mark: spec.mark(), done: make(chan struct{}), undone: make(chan func() error, 1), tail: &outputTail{}}
	started := make(chan error)
	go c.run(cmd, spec, read, write, started)
	if err := <-started; err != nil {
		return nil, err
	}
	undone, err := spec.Journal.Due(UndoKind, fmt.Sprintf("process %s, pid %d", spec.Name, c.pid), leftover{c.pid, startOf(c.pid), c.mark})
	if err != nil {
		undone = func() error { return nil }
		c.kill()
	}
	c.undone <- undone
	if err != nil {
		<-c.done
		return nil, err
	}
	return c, nil
}

// run is the child's goroutine, from its start to the end of its output.
func (c *child) run(cmd *exec.Cmd, spec Spec, read, write *os.File, started chan<- error) {
	// The kernel kills the child when the thread that started it ends, so this goroutine keeps its thread while the child
	// lives.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	write.Close()
	if err != nil {
		read.Close()
		started <- err
		return
	}
	c.pid = cmd.Process.Pid
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		out := io.Writer(c.tail)
		if spec.Output != nil {
			out = io.MultiWriter(c.tail, spec.Output)
		}
		io.Copy(out, read)
	}()
	started <- nil
	c.err = cmd.Wait()
	c.kill() // the rest of its group
	// Descendants that left the group may hold the pipe open.
	read.SetReadDeadline(time.Now().Add(time.Second))
	<-copied
	read.Close()
	// The journal comes first: it may be closed as soon as the end is known. A superfluous entry is harmless: cleanup finds
	// no process.
	_ = (<-c.undone)()
	close(c.done)
}

// hasEnded says whether the child has ended.
func (c *child) hasEnded() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// end says how the child ended. Valid once the child has ended.
func (c *child) end() string {
	if c.err == nil {
		return "exit status 0"
	}
	return c.err.Error()
}

// kill kills the whole group, and descendants that left the group.
func (c *child) kill() {
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	l := leftover{PID: c.pid, Run: c.mark}
	for _, pid := range withMark(c.mark) {
		_ = l.kill(pid)
	}
}

// terminate asks the child to end, and waits until it has, or until grace or ctx ends. Only the leader is asked: it is
// responsible for its own children.
func (c *child) terminate(ctx context.Context, grace time.Duration) error {
	if err := syscall.Kill(c.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	c.thaw() // a frozen process cannot react
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-c.done:
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}

// freeze stops the group and waits until its leader is stopped.
func (c *child) freeze(ctx context.Context) error {
	if err := syscall.Kill(-c.pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop pid %d: %w", c.pid, err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !stopped(c.pid) {
		select {
		case <-tick.C:
		case <-c.done:
			return errors.New(c.end())
		case <-ctx.Done():
			return fmt.Errorf("pid %d does not stop: %w", c.pid, ctx.Err())
		}
	}
	return nil
}

func (c *child) thaw() { _ = syscall.Kill(-c.pid, syscall.SIGCONT) }

// quoteTail quotes the end of the child's output for an error.
func (c *child) quoteTail() string {
	if text := c.tail.String(); text != "" {
		return "; its last words: " + text
	}
	return ""
}

// outputTail keeps the end of the output written to it.
type outputTail struct {
	mu   sync.Mutex
	text []byte
}

const mostWords = 500

func (w *outputTail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if over := len(w.text) - mostWords; over > 0 {
		w.text = append(w.text[:0], w.text[over:]...)
	}
	return len(p), nil
}

func (w *outputTail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.ToValidUTF8(strings.TrimSpace(string(w.text)), "?")
}
