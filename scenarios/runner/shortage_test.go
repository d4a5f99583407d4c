package runner

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/scenarios"
)

// What never left because the generator ran out of something is not the target's doing.
func TestShortagesAreTheGenerators(t *testing.T) {
	for errno, remedy := range map[syscall.Errno]string{
		syscall.EADDRNOTAVAIL: "port range", syscall.EADDRINUSE: "source addresses", syscall.EMFILE: "ulimit -n", syscall.ENFILE: "fs.file-max", syscall.ENOBUFS: "buffer", syscall.ENOMEM: "memory",
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m := &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
					if op.Seq%3 == 0 {
						at.Fail(drivers.Rejected, drivers.CodeRefused, "dial tcp 127.0.0.1:1: connect: "+errno.Error())
						return
					}
					ack(ctx, at, time.Millisecond)
				}}
				sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second}, []scenarios.Stream{openStream("a", 30, m)}, "a.errors < 1%", "a.rejected < 1%")
				run := mustRun(t, t.Context(), sc, Options{})
				total := run.Streams["a"].Total
				if total.DroppedByUs != 30 || total.Rejected != 0 || total.Offered != 90 {
					t.Errorf("%+v", total.Counts)
				}
				if run.Exit != reports.ExitInconclusive || !strings.Contains(strings.Join(run.Why, "; "), remedy) {
					t.Errorf("exit %d: %q", run.Exit, run.Why)
				}
			})
		})
	}
}

// An operation whose value cannot be sent is the scenario's own fault: it is told, makes no retry, and charges the target with nothing.
func TestValuesThatCannotBeSentAreTheScenarios(t *testing.T) {
	for share, unsent := range map[uint64]int64{3: 30, 1: 90} {
		bubble(t, func(t *testing.T) {
			m := &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
				if op.Seq%share == 0 {
					at.Fail(drivers.Rejected, drivers.CodeMessage, "body: {{data.n}} is no number")
					return
				}
				ack(ctx, at, time.Millisecond)
			}}
			stream := openStream("a", 30, m)
			stream.Retry = &scenarios.Retry{Attempts: 3, Backoff: 10 * time.Millisecond}
			sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second}, []scenarios.Stream{stream}, "a.errors < 1%", "a.rejected < 1%", "a.p99 < 1s", "a.within(1s) > 99%")
			run := mustRun(t, t.Context(), sc, Options{})
			total := run.Streams["a"].Total
			if total.DroppedByUs != unsent || total.Rejected != 0 || total.Retries != 0 || total.Errors[drivers.CodeMessage] != unsent {
				t.Errorf("%+v, errors %v", total.Counts, total.Errors)
			}
			why := strings.Join(run.Why, "; ")
			if run.Exit != reports.ExitInconclusive || !strings.Contains(run.Why[0], "{{data.n}} is no number") || strings.Contains(why, "healthy") || share == 1 && run.Gates[1].Verdict == reports.Pass {
				t.Errorf("exit %d: %q", run.Exit, run.Why)
			}
		})
	}
}

// What was not sent for a moment is not tried again, so that no wait for it is charged to the target.
func TestShortagesAreNotRetried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			if op.Seq%10 == 0 && at.Number == 1 {
				at.Fail(drivers.Rejected, drivers.CodeRefused, "dial tcp 127.0.0.1:1: "+syscall.EMFILE.Error())
				return
			}
			ack(ctx, at, time.Millisecond)
		}}
		stream := openStream("a", 30, m)
		stream.Retry = &scenarios.Retry{Attempts: 2, Backoff: 500 * time.Millisecond, Jitter: scenarios.JitterNone}
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 3 * time.Second}, []scenarios.Stream{stream}, "a.p90 < 100ms"), Options{})
		if got := run.Streams["a"].Total; run.Exit != reports.ExitInconclusive || got.DroppedByUs != 9 || *got.Response.Max > 1e8 {
			t.Errorf("exit %d, %q: %+v", run.Exit, run.Why, got.Counts)
		}
	})
}

// An operation of which a part was sent is nobody's failure where the generator could not send the rest: a later step or message whose
// value does not fit, a retry for which nothing was left. Its effect may show up.
func TestPartlySentOperationsAreUnknown(t *testing.T) {
	for name, unsent := range map[string]func(*drivers.Attempt) bool{
		"a later step": func(at *drivers.Attempt) bool {
			at.Wire = true
			at.Fail(drivers.Indeterminate, drivers.CodeMessage, "step pay: {{id}} is no number")
			return true
		},
		"no connection for a later step": func(at *drivers.Attempt) bool {
			at.Wire, at.Cut = true, true
			at.Fail(drivers.Indeterminate, drivers.CodeRefused, "step pay: dial tcp 127.0.0.1:1: "+syscall.EMFILE.Error())
			return true
		},
		"a retry": func(at *drivers.Attempt) bool {
			if at.Number == 1 {
				at.Wire, at.Answered = true, true
				at.Fail(drivers.Indeterminate, "http_503", "busy")
				return true
			}
			at.Fail(drivers.Rejected, drivers.CodeRefused, "dial tcp 127.0.0.1:1: "+syscall.EMFILE.Error())
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m := &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
					if op.Seq%3 != 0 || !unsent(at) {
						ack(ctx, at, time.Millisecond)
					}
				}}
				stream := openStream("a", 30, m)
				stream.Retry = &scenarios.Retry{Attempts: 3, Backoff: 10 * time.Millisecond}
				sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second}, []scenarios.Stream{stream}, "a.errors < 1%", "a.p99 < 1s", "a.within(1s) > 99%")
				run := mustRun(t, t.Context(), sc, Options{})
				if total := run.Streams["a"].Total; total.DroppedByUs != 30 || total.Indeterminate != 0 || total.Sent != 60 {
					t.Errorf("%+v", total.Counts)
				}
				if run.Exit != reports.ExitInconclusive {
					t.Errorf("exit %d: %q", run.Exit, run.Why)
				}
			})
		})
	}
}
