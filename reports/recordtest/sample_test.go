package recordtest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSamplesKeepTheContract(t *testing.T) {
	for name, rec := range Samples() {
		t.Run(name, func(t *testing.T) { Valid(t, rec.Run) })
	}
}

func TestCheckFindsWhatTheContractForbids(t *testing.T) {
	run := Pass().Run
	run.Exit = 7
	if Check(run) == nil {
		t.Error("an exit code that the contract does not know went unnoticed")
	}
	run = Pass().Run
	run.Streams["orders"].Total.Acked++
	if Check(run) == nil {
		t.Error("sums that do not hold went unnoticed")
	}
}
