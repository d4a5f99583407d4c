package grpc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/checks"
	"wringer/drivers/drivertest"
)

// Rows of a data file feed the message and the metadata, also where a field is a number. A method may be written with a dot.
func TestDataFeedsMessages(t *testing.T) {
	g := start(t, "v1")
	env := drivertest.NewEnv(t, time.Now())
	if err := os.WriteFile(filepath.Join(env.Files, "orders.csv"), []byte("id,count\nfirst,7\nsecond,8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := reserve(g)
	c.Method = strings.Replace(c.Method, "/", ".", 1)
	c.Message = map[string]any{"orderId": "{{data.id}}", "quantity": "{{data.count}}"}
	c.Metadata = map[string]string{"x-id": "{{data.id}}"}
	c.Data = &drivers.Data{File: "orders.csv"}
	c.Check(func(field, message string) { t.Errorf("%s: %s", field, message) })
	d, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if at := do(t, d, drivers.Op{Seq: 3}); at.Outcome != drivers.Acked {
		t.Fatalf("%v %s %s", at.Outcome, at.Code, at.Detail)
	}
	m := g.last.Load()
	fields := m.Descriptor().Fields()
	if id, n := m.Get(fields.ByName("order_id")).String(), m.Get(fields.ByName("quantity")).Int(); id != "second" || n != 8 {
		t.Errorf("sent %q, %d", id, n)
	}
	c.Message = map[string]any{"orderId": "{{data.nobody}}"}
	if _, err := c.Open(t.Context(), env); err == nil || !strings.Contains(err.Error(), "data.count") {
		t.Errorf("%v", err)
	}
	c.Data.File = "absent.csv"
	if _, err := c.Open(t.Context(), env); err == nil || !strings.Contains(err.Error(), "data.file") {
		t.Errorf("%v", err)
	}
}

// Methods lists what a server tells and what files define.
func TestMethods(t *testing.T) {
	for _, version := range []string{"v1", "v1alpha"} {
		g := start(t, version)
		found, err := (&Config{Target: reserve(g).Target}).Methods(t.Context(), drivertest.NewEnv(t, time.Now()))
		if err != nil || len(found) == 0 || strings.HasPrefix(string(found[0].FullName()), "grpc.") {
			t.Errorf("%s: %v, %v", version, found, err)
		}
	}
}

// An OK whose message is not what the checks want is no ack, on both paths. An honest answer is one.
func TestChecksOfAnswers(t *testing.T) {
	for _, compression := range []string{"", "gzip"} { // with gzip the calls go by grpc-go
		g := start(t, "v1")
		for name, test := range map[string]struct {
			want any
			code string
		}{"honest": {true, ""}, "lying": {false, drivers.CodeCheck}, "a text": {"{{id}}", drivers.CodeCheck}} {
			c := reserve(g)
			c.Compression = compression
			c.Checks = []Check{{checks.Document{JSON: map[string]any{"$.ok": test.want}}}}
			c.Check(func(field, message string) { t.Errorf("%s: %s", field, message) })
			d, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
			if err != nil {
				t.Fatal(err)
			}
			if at := do(t, d, drivers.Op{Seq: 3}); at.Code != test.code || !at.Answered {
				t.Errorf("%s %s: %v %s %s", compression, name, at.Outcome, at.Code, at.Detail)
			}
			d.Close()
		}
	}
	c := reserve(start(t, "v1"))
	c.Checks = []Check{{checks.Document{JSON: map[string]any{"$.nothing": 1}}}}
	if _, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now())); err == nil || !strings.Contains(err.Error(), "has no field nothing; it has") {
		t.Errorf("%v", err)
	}
}
