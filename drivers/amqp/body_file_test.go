package amqp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// A body may stand in a file: text holds places, other bytes go out as they stand.
func TestBodyFile(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"text":  {strings.Repeat(" ", 3<<20) + "{{seq}}", strings.Repeat(" ", 3<<20) + "3"},
		"bytes": {"\xff{{\x00 {{id}}", "\xff{{\x00 {{id}}"},
	} {
		env := drivertest.NewEnv(t, time.Now())
		if err := os.WriteFile(filepath.Join(env.Files, "body"), []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		template, err := (&Config{Queue: "q", BodyFile: "body"}).template(env)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := template.body.render(&drivers.Op{Seq: 3}); got != test.want {
			t.Errorf("%s: %.40q", name, got)
		}
	}
}

func TestBodyFileProblems(t *testing.T) {
	folder := t.TempDir()
	for content, want := range map[string]string{"{{nope}}": "body_file", "{}": "id", `{"id":"{{id}}"}`: ""} {
		if err := os.WriteFile(filepath.Join(folder, "body"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Config{URL: "amqp://a:b@127.0.0.1/", Queue: "q", BodyFile: "body", ID: "$.id"}
		got := problems(c.Check)
		c.CheckFiles(folder, func(string) error { return nil }, func(field, _ string) { got = append(got, field) })
		if strings.Join(got, " ") != want {
			t.Errorf("%s: problems of %q, want %q", content, got, want)
		}
	}
}
