package effect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/rest"
)

// A field of the body that was sent is compared although it was drawn at random. What is not known once the operation is over is
// refused, with the reason.
func TestSent(t *testing.T) {
	template, err := drivers.CompileTemplate(`{"id":"{{id}}","cents":{{int 1 1000000}},"at":"{{timestamp}}","nth":{{keyseq}},"of":"{{key}}"}`)
	if err != nil {
		t.Fatal(err)
	}
	env := drivertest.NewEnv(t, time.Now())
	env.Keys = 10
	other := env // a driver's texts have seeds of their own
	other.Seed = 99
	env.Sent = func(dst []byte, op *drivers.Op) []byte { return template.Append(dst, &other, op) }
	r, err := Fields{ID: "id", Match: map[string]string{"amount": "{{sent $.cents}}", "customer": "{{ sent $.of }}"}}.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(100) {
		op := &drivers.Op{Seq: seq, Key: drivers.KeyOf(env.Seed, seq, env.Keys), Keyed: true, KeySeq: seq / 3, Planned: time.Duration(seq) * time.Second}
		var cents int
		var of string
		body := template.Render(&other, op)
		rest := body[strings.Index(body, `"cents":`)+8:]
		_, _ = fmt.Sscan(rest[:strings.IndexByte(rest, ',')], &cents)
		of = string(drivers.AppendKey(nil, op.Key))
		for amount, wrong := range map[int]bool{cents: false, cents + 1: true} {
			rec, err := r.Read(func(name string) ([]byte, bool) {
				return []byte(map[string]string{"id": env.Identity.Text(seq), "amount": fmt.Sprint(amount), "customer": of}[name]), true
			})
			if err != nil || (rec.Wrong != "") != wrong {
				t.Errorf("%d: amount %d of %s: %q, %v", seq, amount, body, rec.Wrong, err)
			}
		}
	}
	for text, want := range map[string]string{
		"{{sent $.at}}": "depends on the time", "{{sent $.nth}}": "depends on the time", "{{sent $.none}}": "no such field",
		"{{sent $[}}": "$[", "{{sent $.cents}} cents": "{{sent}} is not known", "{{order}}": "{{order}} is not known",
	} {
		if _, err := (Fields{ID: "id", Match: map[string]string{"amount": text}}).Open(env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What a driver sends can be computed again, or it says why not.
func TestSentByDrivers(t *testing.T) {
	for name, tt := range map[string]struct {
		config drivers.Config
		want   string // the body of operation 3; else a part of the error
	}{
		"rest":  {&rest.Config{Request: "POST http://127.0.0.1:1/", Body: `{"n":{{seq}}}`}, `{"n":3}`},
		"steps": {&rest.Config{Steps: []rest.Step{{Name: "one", Request: "GET http://127.0.0.1:1/"}}}, "several steps"},
		"trace": {&rest.Config{Request: "POST http://127.0.0.1:1/", Body: `{"t":"{{traceparent}}"}`}, "{{traceparent}} differs"},
	} {
		d, err := tt.config.Open(t.Context(), drivertest.NewEnv(t, time.Now()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := d.(drivers.Recalling).SentBody()
		if err != nil && !strings.Contains(err.Error(), tt.want) || err == nil && string(body(nil, &drivers.Op{Seq: 3})) != tt.want {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
