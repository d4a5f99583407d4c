package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"wringer/faults"
)

// Fault runs the commands.
type Fault struct {
	config *Config
	env    faults.Env
	base   command
	inside faults.Inside // the part in which the commands run; nil: beside this process
	turn   faults.Turn   // held while Inject or Heal is in progress

	// Guarded by turn.
	due    bool // there is something to undo
	done   func() error
	watch  *watch         // nil without a check, and while not in force
	out    io.WriteCloser // from the first command until Heal ends
	opened bool

	mu    sync.Mutex
	bit   bool
	lapse error // why the fault was not in force for a part of its time
}

// Patience implements faults.Slow. Heal may run two commands, and wait for one of Inject or of the watch.
func (f *Fault) Patience() time.Duration { return 3*f.base.Timeout + 2*time.Second }

// Inject implements faults.Fault. The journal holds the undo before the command runs.
func (f *Fault) Inject(ctx context.Context) error {
	if err := f.turn.Lock(ctx); err != nil {
		return err
	}
	defer f.turn.Unlock()
	if f.due {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	kind, undo := f.leftover()
	done, err := f.env.Journal.Due(kind, f.config.words(), undo)
	if err != nil {
		return err
	}
	f.due, f.done = true, done
	if err := f.run(ctx, f.config.Exec); err != nil {
		return err // it is unknown whether the command did anything: Heal undoes it
	}
	f.setLapse(nil)
	if f.config.Bites == nil {
		f.setBit()
		return nil
	}
	f.watch = f.startWatch()
	return nil
}

func (f *Fault) command(words []string) command {
	c := f.base
	if f.inside != nil {
		c.Words = words
		return c
	}
	c.Words = append([]string{faults.Program(f.env.Files, words[0])}, words[1:]...)
	return c
}

// run runs one command and keeps its output.
func (f *Fault) run(ctx context.Context, words []string) error {
	c := f.command(words)
	output, err := f.carryOut(ctx, c)
	f.writeOutput(c, output, err)
	return err
}

// carryOut runs a command to its end, where the fault's commands run.
func (f *Fault) carryOut(ctx context.Context, c command) ([]byte, error) {
	if f.inside != nil {
		return c.runInside(ctx, f.inside)
	}
	return c.run(ctx)
}

// writeOutput writes down what a command did. A failure to write must not stop a fault from healing.
func (f *Fault) writeOutput(c command, output []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.opened && f.env.Output != nil {
		f.opened = true
		out, failed := f.env.Output(f.env.Name)
		if failed != nil {
			f.env.Log.Warn("the output of a fault's commands is not kept", "error", failed)
			return
		}
		f.out = out
	}
	if f.out == nil {
		return
	}
	result := "exit status 0"
	if err != nil {
		result = err.Error()
	}
	fmt.Fprintf(f.out, "$ %s\n%s\n# %s\n", c, output, result)
}

// Heal implements faults.Fault. If undo fails it stays due, in the journal too.
func (f *Fault) Heal(ctx context.Context) error {
	if err := f.turn.Lock(ctx); err != nil {
		return err
	}
	defer f.turn.Unlock()
	if !f.due {
		return nil
	}
	if f.watch != nil {
		f.setLapse(f.watch.end(ctx))
		f.watch = nil
	}
	if err := f.run(ctx, f.config.Undo); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	f.due = false
	return errors.Join(f.done(), f.closeUnlessProbed())
}

// closeUnlessProbed closes the file of evidence, unless Probe will still write to it. A later command does not open a new
// one.
func (f *Fault) closeUnlessProbed() error {
	if f.config.Gone != nil {
		return nil // Probe still writes to it
	}
	return f.closeOutput()
}

func (f *Fault) closeOutput() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.out == nil {
		return nil
	}
	out := f.out
	f.out = nil
	return out.Close()
}

// Probe implements faults.Fault.
func (f *Fault) Probe(ctx context.Context) error {
	if err := f.turn.Lock(ctx); err != nil {
		return err
	}
	defer f.turn.Unlock()
	if f.due {
		return errors.New("it was not undone")
	}
	if f.config.Gone == nil {
		return nil
	}
	err := f.run(ctx, f.config.Gone)
	if err != nil {
		err = fmt.Errorf("leaked fault: probe: %w", err)
	}
	return errors.Join(err, f.closeOutput())
}

func (f *Fault) setBit() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bit = true
}

func (f *Fault) setLapse(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lapse = why
}

// Lapse implements faults.Watched.
func (f *Fault) Lapse() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lapse
}

// Bite implements faults.Fault. Traffic that met a command's work cannot be counted.
func (f *Fault) Bite() faults.Bite {
	f.mu.Lock()
	defer f.mu.Unlock()
	return faults.Bite{Bit: f.bit, Connections: -1, Bytes: -1}
}
