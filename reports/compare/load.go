package compare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"wringer/reports"
)

// Run is one run as it was read.
type Run struct {
	Path     string
	Record   *reports.Run
	Scenario []byte // as run; empty: the record does not hold it
}

// The most that is read of one record. A day of many streams has some hundred megabytes.
const (
	mostRecord   = 2 << 30
	mostScenario = 4 << 20
)

// Load reads the folder of a record, its run.json, or a file of `wringer save`. It wants the record's format to be one that this version
// reads. A truncated file is an error. It blocks on the file system.
func Load(path string) (*Run, error) {
	at, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: name the folder of a record, its %s, or a file of wringer save", path, reports.RunFile)
	}
	if err != nil {
		return nil, err
	}
	file := path
	if at.IsDir() {
		file = filepath.Join(path, reports.RunFile)
	}
	run := &Run{Path: path}
	if run.Record, err = readRecord(file); err != nil {
		return nil, err
	}
	if filepath.Base(file) == reports.RunFile {
		run.Scenario, err = readScenario(filepath.Join(filepath.Dir(file), reports.ScenarioFile))
	}
	return run, err
}

func readRecord(file string) (*reports.Run, error) {
	data, err := readAtMost(file, mostRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s in %s: name the folder that a run wrote", reports.RunFile, filepath.Dir(file))
	}
	if err != nil {
		return nil, err
	}
	record, err := reports.Decode(data)
	if err == nil && !bytes.Contains(data, []byte(`"complete"`)) {
		record.Complete = true // only the checkpoint of a run that goes on says that it is not, and the contract asks for no such field
	}
	if err != nil {
		var cut *json.SyntaxError
		if errors.As(err, &cut) && cut.Offset >= int64(len(bytes.TrimSpace(data))) {
			return nil, fmt.Errorf("%s is truncated: %w; was its run killed while it was written, or was it copied in part?", file, err)
		}
		return nil, fmt.Errorf("%s is no record of a run: %w", file, err)
	}
	return record, nil
}

func readScenario(file string) ([]byte, error) {
	data, err := readAtMost(file, mostScenario)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func readAtMost(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s is larger than %s", file, reports.Bytes(most))
	}
	return data, err
}

// Unusable is the reason why a run shows nothing that can be compared; empty: it can. A run that violated its gates can, and so can one
// without gates. The numbers of a run that was cut short, or in which the load generator was the limit, say nothing of the target.
func Unusable(r *reports.Run) string {
	switch {
	case r.Exit == reports.ExitInterrupted:
		return "it was interrupted"
	case r.Exit == reports.ExitHarness || r.Exit == reports.ExitUsage:
		return "the harness failed: " + r.Headline()
	case !r.Complete:
		return "its record is not complete"
	case r.Validity.Verdict == reports.Valid:
		return ""
	case len(r.Validity.Why) > 0:
		return "it is not valid: " + r.Validity.Why[0]
	}
	return "it is not valid"
}
