package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"wringer/drivers/drivertest"
	"wringer/drivers/effect"
)

func TestSourceConformance(t *testing.T) {
	drivertest.RunSource(t, drivertest.SourceSubject{Start: func(t testing.TB) drivertest.Place {
		path := filepath.Join(t.TempDir(), "ledger.log")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		return drivertest.Place{
			Config: &Config{Path: path, Line: `^done (?P<id>\S+)$`, Fields: effect.Fields{ID: "id"}},
			Put:    func(id []byte) { fmt.Fprintf(file, "done %s\n", id) },
			Close:  func() { file.Close() },
		}
	}})
}
