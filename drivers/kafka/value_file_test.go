package kafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/drivers"
)

// A value may stand in a file: text holds places, other bytes go out as they stand.
func TestValueFile(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"text":  {strings.Repeat(" ", 3<<20) + `{"id":"{{id}}"}`, strings.Repeat(" ", 3<<20) + `{"id":"r1.s.3"}`},
		"bytes": {"\xff{{\x00 {{id}}", "\xff{{\x00 {{id}}"},
	} {
		env := newEnv()
		env.Files = t.TempDir()
		if err := os.WriteFile(filepath.Join(env.Files, "value"), []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Config{Topic: topic, ValueFile: "value"}
		template, err := c.recordTemplate(env, drivers.Dialect{}, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		record, err := template.record(&drivers.Op{Seq: 3}, &drivers.Attempt{Number: 1}, nil)
		if err != nil || string(record.value) != test.want {
			t.Errorf("%s: %.40q, %v", name, record.value, err)
		}
	}
}

func TestValueFileThatIsAbsent(t *testing.T) {
	env := newEnv()
	env.Files = t.TempDir()
	if _, err := (&Config{Topic: topic, ValueFile: "absent"}).recordTemplate(env, drivers.Dialect{}, nil); err == nil || !strings.Contains(err.Error(), "value_file: ") {
		t.Errorf("%v", err)
	}
}

func TestValueFileProblems(t *testing.T) {
	c := Config{Brokers: "a:1", Topic: topic, Value: "x", ValueFile: "value"}
	var told []string
	problem := func(field, message string) { told = append(told, field+": "+message) }
	c.Check(problem)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "value"), []byte("{{nope}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.CheckFiles(folder, func(string) error { return nil }, problem)
	if len(told) != 2 || !strings.HasPrefix(told[0], "value_file: stands beside value") || !strings.Contains(told[1], "nope") {
		t.Errorf("%q", told)
	}
}
