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
		syscall.EADDRNOTAVAIL: "port range", syscall.EMFILE: "ulimit -n", syscall.ENFILE: "fs.file-max", syscall.ENOBUFS: "buffer", syscall.ENOMEM: "memory",
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
