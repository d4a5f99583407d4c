package grpc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// The message may stand in a file of JSON, of more than a scenario's text holds.
func TestMessageFile(t *testing.T) {
	g := start(t, "v1")
	env := drivertest.NewEnv(t, time.Now())
	long := strings.Repeat("a", 2<<20)
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(env.Files, "message.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"orderId":"{{id}}` + long + `","quantity":2}`)
	c := reserve(g)
	c.Message, c.MessageFile = nil, "message.json"
	d, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if at := do(t, d, drivers.Op{Seq: 3}); at.Outcome != drivers.Acked {
		t.Fatalf("%v %s %.100s", at.Outcome, at.Code, at.Detail)
	}
	m := g.last.Load()
	if got := m.Get(m.Descriptor().Fields().ByName("order_id")).String(); !strings.HasPrefix(got, "r1.conformance.3") || !strings.HasSuffix(got, long) {
		t.Errorf("sent %.60q", got)
	}
	for text, want := range map[string]string{`{"orderId":`: "unexpected EOF", "{\"orderId\":\"\xff\"}": "no UTF-8", `{"quantity":18446744073709551616}`: "18446744073709551616 does not fit"} {
		write(text)
		if _, err := c.Open(t.Context(), env); !errors.Is(err, drivers.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		var told []string
		c.CheckFiles(env.Files, func(string) error { return nil }, func(field, message string) { told = append(told, field+": "+message) })
		if len(told) != 1 || !strings.HasPrefix(told[0], "message_file: ") || !strings.Contains(told[0], want) {
			t.Errorf("%s: %q", text, told)
		}
	}
}

// A file may hold the message as it goes over the wire, in bytes that are UTF-8 or not.
func TestBinaryMessageFile(t *testing.T) {
	g := start(t, "v1")
	env := drivertest.NewEnv(t, time.Now())
	c := reserve(g)
	c.Message, c.MessageFile = nil, "message.bin"
	for content, want := range map[string]string{
		"\n\x05{{id}":                    "{{id}", // the first field is a string; no text is rendered
		"\n{" + strings.Repeat("x", 123): strings.Repeat("x", 123),
		"\n\x02ab\x1a\x01\xc3":           "", // not UTF-8 in a string
		"hello, world":                   "",
		"\n\x20short":                    "",
		"\x9a\x3f\x01a":                  "", // a field that the message has not
		"\x10\x02\n\x04\xc3\xa9\xc3\xa9": "éé",
	} {
		if err := os.WriteFile(filepath.Join(env.Files, c.MessageFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := c.Open(t.Context(), env)
		if want == "" {
			if !errors.Is(err, drivers.ErrConfig) {
				t.Errorf("%q: %v", content, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		if at := do(t, d, drivers.Op{Seq: 3}); at.Outcome != drivers.Acked {
			t.Errorf("%q: %v %s %.100s", content, at.Outcome, at.Code, at.Detail)
		}
		m := g.last.Load()
		if got := m.Get(m.Descriptor().Fields().ByName("order_id")).String(); got != want {
			t.Errorf("%q: sent %q", content, got)
		}
		d.Close()
	}
}

func TestMessageFileStandsAlone(t *testing.T) {
	var fields []string
	c := &Config{Target: "a:1", Method: "a.B/C", Message: map[string]any{}, MessageFile: "x"}
	c.Check(func(field, _ string) { fields = append(fields, field) })
	if strings.Join(fields, " ") != "message_file" {
		t.Errorf("%q", fields)
	}
}
