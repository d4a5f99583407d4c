package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"time"
)

// console is what the command changes of its terminal, and how a key ends the command. A nil console has neither. Its methods are safe for
// concurrent use.
type console struct {
	end func() // ends the command in good order

	mu   sync.Mutex
	undo func() // gives the terminal back as it was; nil: nothing was changed
}

// consoleKey is the key of the console in a context.
type consoleKey struct{}

func consoleOf(ctx context.Context) *console {
	c, _ := ctx.Value(consoleKey{}).(*console)
	return c
}

// interrupt does what the first Ctrl-C does.
func (c *console) interrupt() {
	if c != nil {
		c.end()
	}
}

// changed keeps how to give the terminal back.
func (c *console) changed(undo func()) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.undo = undo
}

// restore gives the terminal back, once.
func (c *console) restore() {
	if c == nil {
		return
	}
	c.mu.Lock()
	undo := c.undo
	c.undo = nil
	c.mu.Unlock()
	if undo != nil {
		undo()
	}
}

// usualEffect is how long a signal that ends a process may take to do so.
const usualEffect = time.Second

// dieRestored waits for a signal that ends the command at once, gives the terminal back, and lets the signal have its usual effect. It
// calls ready once it listens, and returns when over is closed.
func (c *console) dieRestored(over <-chan struct{}, ready func(), asked ...os.Signal) {
	second := make(chan os.Signal, 1)
	signal.Notify(second, asked...)
	defer signal.Stop(second)
	ready()
	select {
	case <-over:
	case s := <-second:
		c.restore()
		signal.Reset(s)
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return
		}
		if self.Signal(s) == nil {
			time.Sleep(usualEffect)
		}
		_ = self.Kill() // a system without that signal, or a shell that had us ignore it, as for commands in the background of a script
	}
}
