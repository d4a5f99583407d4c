package recordtest

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"wringer/reports"
)

var update = flag.Bool("update", false, "write the record's schema anew")

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

// The schema in the tree agrees with the types: describe a new field in the schema, or this test fails.
func TestTheRecordsSchemaIsUpToDate(t *testing.T) {
	want, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("../record.schema.json", want, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if reports.RecordSchema() != string(want) {
		t.Error("reports/record.schema.json is not what the types say: run go test ./reports/recordtest -update")
	}
}

// A document that the record's schema does not accept is no record.
func TestCheckFindsWhatIsNotDescribed(t *testing.T) {
	if err := validate([]byte(`{"schema": "wringer.run/v1", "surprise": 1}`), reports.RecordSchema()); err == nil {
		t.Error("a field that nobody described went unnoticed")
	}
}

// The sample with links adds up too.
func TestLinksAddUp(t *testing.T) {
	for _, broken := range reports.Sums(Links().Run) {
		t.Error(broken)
	}
}
