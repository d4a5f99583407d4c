package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// withSignals returns a context that ends at the first signal which asks the command to end, or when its output was closed. The
// caller calls stop at the end.
func withSignals(parent context.Context) (ctx context.Context, std streams, stop func()) {
	ctx, stopFirst := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	ctx, cancel := context.WithCancel(ctx)
	terminal, over := &console{end: cancel}, make(chan struct{})
	// The first signal ends the run in good order. A second one kills, once the terminal is as it was.
	context.AfterFunc(ctx, func() {
		terminal.dieRestored(over, stopFirst, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	})
	stopHangUp := onHangUp(ctx, cancel)
	// A write to a closed pipe is an error and not the command's end. The signal also comes from sockets that a peer closed: nobody
	// asks for it.
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	outputs := newStandardOutputs(ctx, cancel)
	std = streams{os.Stdin, outputs.of(os.Stdout, false), outputs.of(os.Stderr, true)}
	return context.WithValue(ctx, consoleKey{}, terminal), std, func() {
		outputs.flush()
		close(over)
		stopHangUp()
		cancel()
		terminal.restore()
	}
}

// onHangUp calls end at the first SIGHUP. A terminal that goes away sends several, by the kernel and by the shell: the later ones
// must not kill a command that is healing. A command that was started to outlive its terminal (nohup) goes on.
func onHangUp(ctx context.Context, end func()) (stop func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return func() {}
	}
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	go func() {
		select {
		case <-hangUps:
			end()
		case <-ctx.Done():
		}
	}()
	return func() { signal.Stop(hangUps) }
}
