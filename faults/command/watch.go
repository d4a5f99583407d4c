package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"wringer/faults"
)

// checkEvery is the interval between two checks.
const checkEvery = 500 * time.Millisecond

// watch runs the check while the fault is in force. A check that holds shows that the fault touched something. One that held
// before and fails shows that something else undid the fault.
type watch struct {
	fault *Fault
	stop  context.CancelFunc
	ended sync.WaitGroup

	// Of the goroutine, and after its end.
	checked time.Time // the last check that had a result
	result  string    // of that check
	held    bool      // a check has held
	missing bool      // the last check failed after one had held
	gone    time.Duration
	first   error // why a check failed, at first
}

func (f *Fault) startWatch() *watch {
	w := &watch{fault: f}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.ended.Go(func() { w.run(ctx) })
	return w
}

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		w.check(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// check runs the check once.
func (w *watch) check(ctx context.Context) {
	begun := time.Now()
	c := w.fault.command(w.fault.config.Bites)
	output, err := w.fault.carryOut(ctx, c)
	if ctx.Err() == nil {
		w.writeChange(c, output, err)
	}
	if err != nil && !exited(err) {
		return // it was killed, or has not run: it shows nothing
	}
	if err == nil {
		w.fault.setBit()
	}
	// The fault may have gone, or come back, at any time since the check before.
	lost := err != nil && w.held
	if lost || w.missing {
		w.gone += begun.Sub(w.checked)
	}
	if lost && w.first == nil {
		w.first = err
	}
	w.checked, w.held, w.missing = begun, w.held || err == nil, lost
}

// writeChange writes a check down that ended in another way than the one before.
func (w *watch) writeChange(c command, output []byte, err error) {
	result := fmt.Sprint(err)
	if result == w.result {
		return
	}
	w.result = result
	w.fault.writeOutput(c, output, err)
}

// end checks once more, and ends the watch. It returns for how long the fault was not in force, nil: never.
func (w *watch) end(ctx context.Context) error {
	w.stop()
	w.ended.Wait() // a check in progress is killed
	w.check(ctx)
	if w.first == nil {
		return nil
	}
	return fmt.Errorf("was not in force for %v of its time: its check held, and then failed: %w; let nothing else undo it, and let check hold for as long as the fault is in force",
		w.gone.Round(10*time.Millisecond), w.first)
}

// exited says that a command ended by itself, with a status other than 0.
func exited(err error) bool {
	var exit *exec.ExitError
	var status faults.ExitStatus
	return errors.As(err, &exit) && exit.Exited() || errors.As(err, &status)
}
