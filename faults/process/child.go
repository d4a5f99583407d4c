package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// child is one run of a process: the program and its descendants, which end with it. A program may end and leave a daemon: the
// child then lives on in the daemon.
type child struct {
	main   atomic.Int64 // the pid of the process that leads now
	leader int          // the pid of the process that was started, and of its group
	family *family
	ready  atomic.Bool   // the child was seen to work
	ending atomic.Bool   // the child was told to end
	done   chan struct{} // closed when the child has ended, its output is read, and the journal has its entry
	err    error         // how the child ended; valid once done is closed
	ended  time.Time     // when the child ended; valid once done is closed
	// undone delivers the function that notes the end in the journal.
	undone chan func() error
	tail   *outputTail
}

// start starts the program. It returns once the process has a pid and the journal has its entry.
func start(spec Spec) (*child, error) {
	if unsupported != nil {
		return nil, unsupported
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(spec.Command[0], spec.Command[1:]...)
	cmd.Dir, cmd.Env = spec.Dir, append(os.Environ(), append(spec.Env, marker+spec.mark())...)
	cmd.Stdout, cmd.Stderr = write, write
	c := &child{family: newFamily(spec.mark()), done: make(chan struct{}), undone: make(chan func() error, 1), tail: &outputTail{}}
	started := make(chan error)
	go c.run(cmd, spec, read, write, started)
	if err := <-started; err != nil {
		return nil, err
	}
	undone, err := spec.Journal.Due(UndoKind, fmt.Sprintf("process %s, pid %d", spec.Name, c.leader), leftover{c.leader, startOf(c.leader), spec.mark(), c.family.folder})
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
	cmd, err := c.begin(cmd)
	write.Close()
	if err != nil {
		c.family.end()
		read.Close()
		started <- err
		return
	}
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
	c.ended = time.Now()
	if c.becameDaemon() {
		c.follow(spec)
	}
	c.kill() // the rest of its group
	// Descendants that left the group may hold the pipe open.
	read.SetReadDeadline(time.Now().Add(time.Second))
	<-copied
	read.Close()
	// The journal comes first: it may be closed as soon as the end is known. A superfluous entry is harmless: cleanup finds
	// no process.
	_ = (<-c.undone)()
	c.family.end()
	close(c.done)
}

// begin starts the program in the family's cgroup, or without one where the kernel does not do that.
func (c *child) begin(cmd *exec.Cmd) (*exec.Cmd, error) {
	attributes, release := c.family.attributes()
	defer release()
	cmd.SysProcAttr = attributes
	err := cmd.Start()
	if err != nil && c.family.folder != "" && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		c.family.leave()
		again := exec.Command(cmd.Args[0], cmd.Args[1:]...)
		again.Dir, again.Env, again.Stdout, again.Stderr, again.SysProcAttr = cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, ownGroup()
		cmd, err = again, again.Start()
	}
	if err != nil {
		return cmd, err
	}
	c.leader = cmd.Process.Pid
	c.main.Store(int64(c.leader))
	c.family.begin(c.leader)
	return cmd, nil
}

// becameDaemon says whether the program ended well and left what it is for: before it was ready, or in a session of its own.
func (c *child) becameDaemon() bool {
	if c.err != nil || c.ending.Load() {
		return false
	}
	c.family.adopt()
	return c.family.main() > 0 && (!c.ready.Load() || c.family.outside())
}

// daemonEvery is the time between two looks at whether a daemon lives.
const daemonEvery = 20 * time.Millisecond

// follow waits until the daemon is over. The journal knows it before anybody else does.
func (c *child) follow(spec Spec) {
	pid := c.family.main()
	if c.family.folder == "" && pid > 0 {
		done, err := spec.Journal.Due(UndoKind, fmt.Sprintf("process %s, pid %d (a daemon)", spec.Name, pid), leftover{pid, startOf(pid), spec.mark(), ""})
		if err == nil {
			defer done()
		}
	}
	c.main.Store(int64(pid))
	for pid > 0 {
		time.Sleep(daemonEvery)
		if pid = c.family.main(); pid > 0 {
			c.main.Store(int64(pid))
		}
	}
	c.err, c.ended = errors.New("its daemon ended"), time.Now()
}

// pid is the number of the process that leads.
func (c *child) pid() int { return int(c.main.Load()) }

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

// endedFirst says whether the child ended in another way than by SIGKILL: before it was killed. A daemon's end is not known.
// Valid once the child has ended.
func (c *child) endedFirst() bool {
	var exit *exec.ExitError
	if !errors.As(c.err, &exit) {
		return c.err == nil
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signal() != syscall.SIGKILL
}

// kill kills the whole group, and descendants that left the group.
func (c *child) kill() {
	c.ending.Store(true)
	_ = signal(-c.leader, syscall.SIGKILL)
	c.family.kill()
}

// terminate asks the child to end, and waits until it has, or until grace or ctx ends. Only the leader is asked: it is
// responsible for its own children.
func (c *child) terminate(ctx context.Context, grace time.Duration) error {
	c.ending.Store(true)
	if err := signal(c.pid(), syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
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

// freeze stops the whole family and waits until all of it is stopped, also what it started meanwhile.
func (c *child) freeze(ctx context.Context) error {
	// The group at once: no worker of it serves on while the others are being stopped.
	if err := signal(-c.leader, sigStop); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop pid %d: %w", c.leader, err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !c.stopAll() {
		select {
		case <-tick.C:
		case <-c.done:
			return errors.New(c.end())
		case <-ctx.Done():
			return fmt.Errorf("pid %d does not stop: %w", c.pid(), ctx.Err())
		}
	}
	return nil
}

// stopAll stops the members that run; true when all stand still.
func (c *child) stopAll() bool {
	all := c.family.members()
	still := len(all) > 0
	for _, pid := range all {
		if !stopped(pid) {
			still = false
			_ = signal(pid, sigStop)
		}
	}
	return still
}

// ranOn says whether something else let a frozen member go on.
func (c *child) ranOn() bool {
	return slices.ContainsFunc(c.family.members(), func(pid int) bool { return !stopped(pid) })
}

func (c *child) thaw() {
	_ = signal(-c.leader, sigCont)
	for _, pid := range c.family.members() {
		_ = signal(pid, sigCont)
	}
}

func (c *child) members() []int { return c.family.members() }

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
