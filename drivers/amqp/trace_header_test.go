package amqp

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// A message carries its operation's trace in headers beside the scenario's own.
func TestMessageCarriesItsTrace(t *testing.T) {
	env := drivertest.NewEnv(t, time.Now())
	env.Trace = drivers.NewTrace(1, drivers.TraceHeaderNames()...)
	template, err := (&Config{Queue: "q", Headers: map[string]string{"own": "{{seq}}"}}).template(env)
	if err != nil {
		t.Fatal(err)
	}
	p, err := template.publish(&drivers.Op{Seq: 7}, &drivers.Attempt{Number: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	parsers := map[string]func([]byte) (drivers.TraceID, bool){
		drivers.HeaderTraceparent: drivers.ParseTraceparent, drivers.HeaderB3: drivers.ParseB3, drivers.HeaderAmazon: drivers.ParseAmazon,
	}
	for name, parse := range parsers {
		text, _ := p.message.Headers[name].(string)
		if id, ok := parse([]byte(text)); !ok || id != env.Identity.Trace(7) {
			t.Errorf("%s is %q", name, text)
		}
	}
	if p.message.Headers["own"] != "7" {
		t.Errorf("headers %v", p.message.Headers)
	}
}
