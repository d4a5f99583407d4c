package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"wringer/faults"
)

// command is one command, in the form that the journal keeps.
type command struct {
	Words   []string      `json:"words"`
	Env     []string      `json:"env,omitempty"`
	Dir     string        `json:"dir,omitempty"`
	Timeout time.Duration `json:"timeout_ns"`
}

func (c command) String() string { return strings.Join(c.Words, " ") }

// mostOutput bounds the output kept of one command: the end of it.
const mostOutput = 64 << 10

// run runs the command to its end. When its timeout or ctx ends, the command and its descendants are killed. An error
// quotes the end of the output.
func (c command) run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	out := &outputEnd{}
	cmd := exec.CommandContext(ctx, c.Words[0], c.Words[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append(append(os.Environ(), faults.CommandMark+"=1"), c.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killAll(cmd) }
	cmd.WaitDelay = time.Second // a descendant outside its group may hold the output open
	// The kernel kills the command with the thread that started it, so also when this process is killed. Otherwise the
	// command could break something after its undo.
	runtime.LockOSThread()
	err := cmd.Run()
	runtime.UnlockOSThread()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // the command itself succeeded
	}
	switch {
	case err == nil:
		return out.bytes(), nil
	case ctx.Err() != nil:
		err = fmt.Errorf("%s: %w", c, ctx.Err())
	default:
		err = fmt.Errorf("%s: %w", c, err)
	}
	if text := strings.TrimSpace(tail(string(out.text))); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return out.bytes(), err
}

// tail returns the end of a text.
func tail(text string) string {
	const most = 300
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return strings.ToValidUTF8(text, "?")
}

// outputEnd keeps the end of the output written to it. It embeds no bytes.Buffer, whose ReadFrom would pass the bound.
type outputEnd struct {
	text []byte
	cut  int64 // bytes written before text
}

func (o *outputEnd) Write(p []byte) (int, error) {
	n := len(p)
	if over := n - mostOutput; over > 0 {
		p, o.cut = p[over:], o.cut+int64(over)
	}
	if over := len(o.text) + len(p) - mostOutput; over > 0 {
		o.text, o.cut = append(o.text[:0], o.text[over:]...), o.cut+int64(over)
	}
	o.text = append(o.text, p...)
	return n, nil
}

// bytes is what is kept, from the beginning of a line where some was left out.
func (o *outputEnd) bytes() []byte {
	if o.cut == 0 {
		return o.text
	}
	text, cut := o.text, o.cut
	if line := bytes.IndexByte(text, '\n') + 1; line < len(text) {
		text, cut = text[line:], cut+int64(line)
	}
	return fmt.Appendf(nil, "[%d bytes left out]\n%s", cut, text)
}

// UndoKind is the kind of this package's entries in a journal.
const UndoKind = "exec"

// Undo runs the undo command of a run that was killed.
func Undo(ctx context.Context, data json.RawMessage) error {
	var c command
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("entry of a command: %w", err)
	}
	if len(c.Words) == 0 || c.Timeout <= 0 {
		return errors.New("entry of a command: it names no command")
	}
	_, err := c.run(ctx)
	return err
}
