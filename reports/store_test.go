package reports_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"wringer/reports"
	"wringer/reports/recordtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func save(t *testing.T, rec *reports.Record) string {
	t.Helper()
	dir := t.TempDir()
	if err := reports.Save(dir, rec.Run); err != nil {
		t.Fatal(err)
	}
	if err := reports.SaveViolations(dir, rec.Violations); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, reports.ScenarioFile), rec.Scenario, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestARecordReadBackGivesTheSameBytes(t *testing.T) {
	for name, rec := range recordtest.Samples() {
		t.Run(name, func(t *testing.T) {
			dir := save(t, rec)
			back, err := reports.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			recordtest.Valid(t, back.Run)
			if string(back.Scenario) != string(rec.Scenario) {
				t.Error("the scenario changed")
			}
			if len(back.Violations) != len(rec.Violations) {
				t.Errorf("%d violations came back of %d", len(back.Violations), len(rec.Violations))
			}
			want, _ := os.ReadFile(filepath.Join(dir, reports.RunFile))
			var got bytes.Buffer
			if err := reports.WriteJSON(&got, back); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Error("run.json changed")
			}
		})
	}
}

func TestEmptyListsAreNotNull(t *testing.T) {
	data, err := reports.Encode(&reports.Run{Schema: reports.Schema, Streams: map[string]*reports.Stream{"load": {}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"gates": []`, `"windows": []`, `"faults": []`, `"why": []`, `"seconds": []`, `"errors": {}`} {
		if !strings.Contains(string(data), part) {
			t.Errorf("no %s in the record", part)
		}
	}
}

func TestEncodeLeavesTheRunAsItWas(t *testing.T) {
	run := &reports.Run{Streams: map[string]*reports.Stream{"load": {Windows: map[string]*reports.Measures{"baseline": {}}}}}
	if _, err := reports.Encode(run); err != nil {
		t.Fatal(err)
	}
	if run.Gates != nil || run.Streams["load"].Seconds != nil || run.Streams["load"].Windows["baseline"].Errors != nil {
		t.Error("encoding wrote into the run")
	}
}

func TestSaveReplacesTheRecordAndLeavesNothingElse(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := reports.Save(dir, recordtest.Pass().Run); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != reports.RunFile {
		t.Errorf("the folder holds %v", entries)
	}
}

func TestSaveNamesAFolderThatIsNotThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	err := reports.Save(dir, recordtest.Pass().Run)
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
}

func TestWriteFileWritesThroughALink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if err := reports.WriteFile(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link was replaced by a file")
	}
	if data, _ := os.ReadFile(file); string(data) != "new" {
		t.Errorf("the file holds %q", data)
	}
}

func TestWriteFileLeavesADeviceInItsPlace(t *testing.T) {
	if err := reports.WriteFile(os.DevNull, []byte("gone")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s was replaced: %v", os.DevNull, err)
	}
}

func TestLoadLeavesOutALineThatACrashCut(t *testing.T) {
	rec := recordtest.Fail()
	dir := save(t, rec)
	path := filepath.Join(dir, reports.ViolationsFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := len(rec.Violations) - 1
	for _, cut := range []int{len(data) - 1, len(data) - 20} {
		if err := os.WriteFile(path, data[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		back, err := reports.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(back.Violations) != want {
			t.Errorf("cut at %d of %d: %d violations, want %d", cut, len(data), len(back.Violations), want)
		}
	}
}

func TestLoadTellsABrokenLineFromACutOne(t *testing.T) {
	dir := save(t, recordtest.Fail())
	path := filepath.Join(dir, reports.ViolationsFile)
	data, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append([]byte("{\"kind\":\n"), data...), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := reports.Load(dir); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v", err)
	}
}

func TestLoadNamesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ run, want string }{
		"no record":      {"", "no run.json"},
		"not JSON":       {"{", "run.json"},
		"another schema": {`{"schema": "wringer.run/v9"}`, `"wringer.run/v9"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.run != "" {
				if err := os.WriteFile(filepath.Join(dir, reports.RunFile), []byte(c.run), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := reports.Load(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want %q and the folder", err, c.want)
			}
		})
	}
}

func TestLoadNeedsTheRunAlone(t *testing.T) {
	dir := t.TempDir()
	if err := reports.Save(dir, recordtest.Pass().Run); err != nil {
		t.Fatal(err)
	}
	rec, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Scenario) != 0 || len(rec.Violations) != 0 {
		t.Error("something came from nowhere")
	}
}

func TestEvidenceIsCappedFairly(t *testing.T) {
	dir := t.TempDir()
	w, err := reports.NewViolationWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	flood := reports.Violation{Kind: "lost", Stream: "a", Window: "baseline"}
	others := []reports.Violation{
		{Kind: "phantom", Stream: "a", Window: "baseline"}, {Kind: "lost", Stream: "b", Window: "baseline"}, {Kind: "lost", Stream: "a", Window: "drain"},
	}
	for range 3 * reports.EvidenceLimit {
		if err := w.Write(&flood); err != nil {
			t.Fatal(err)
		}
	}
	for i := range others {
		if err := w.Write(&others[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, reports.ViolationsFile))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if want := reports.EvidenceLimit + len(others); len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
	var last reports.Violation
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	want := others[len(others)-1]
	want.Attempts, want.Seen = []reports.Try{}, []reports.Sighting{}
	if !reflect.DeepEqual(last, want) {
		t.Errorf("got %+v, want %+v", last, want)
	}
}
