package kafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/drivers"
)

// Rows of a data file feed the key, the value and the headers of a record.
func TestDataFeedsRecords(t *testing.T) {
	env := newEnv()
	env.Files = t.TempDir()
	if err := os.WriteFile(filepath.Join(env.Files, "users.csv"), []byte("name,age\nann,7\nbob,8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{Brokers: "a:1", Topic: topic, Key: "{{data.name}}", Value: `{"age":{{data.age}}}`, Headers: map[string]string{"who": "{{data.name}}"}, Data: &drivers.Data{File: "users.csv"}}
	var told []string
	problem := func(field, message string) { told = append(told, field+": "+message) }
	if c.Check(problem); len(told) > 0 {
		t.Fatal(told)
	}
	feed, err := c.Feed(env.Files, env.Seed)
	if err != nil {
		t.Fatal(err)
	}
	template, err := c.recordTemplate(env, c.Data.Dialect(feed), nil)
	if err != nil {
		t.Fatal(err)
	}
	record, err := template.record(&drivers.Op{Seq: 3}, &drivers.Attempt{Number: 1}, nil)
	if err != nil || string(record.value) != `{"age":8}` || string(record.key) != "bob" || string(record.message.Headers[1].Value) != "bob" {
		t.Errorf("%q %q %v", record.value, record.key, err)
	}
	c.Headers["who"] = "{{data.nobody}}"
	c.CheckFiles(env.Files, func(string) error { return nil }, problem)
	if len(told) != 1 || !strings.HasPrefix(told[0], "headers.who: ") || !strings.Contains(told[0], "data.name") {
		t.Errorf("%q", told)
	}
}
