package e2e

import (
	"testing"

	"wringer/reports"
)

// A real container writes a line for each order, and calls a webhook of the run. Both places are read to their ends: nothing is lost,
// nothing is there twice.
func TestContainersEffects(t *testing.T) {
	b := onEngine(t)
	file := b.write("effects.yaml", `name: effects
seed: 1
run: {duration: 4s, drain: 3s}
target:
  containers: {WEB: {image: IMAGE, ports: [8080], ready: {http: /healthz}}}
traffic:
  orders:
    rest: {request: "GET http://${WEB.8080}/charge", query: {id: "{{id}}", notify: "${effects.notices}"}}
    rate: 20/s
    timeout: 20s
    effects:
      - {name: log, file: {part: WEB, line: 'charged (?P<id>\S+)', id: id}}
      - {name: notices, webhook: {path: /paid, id: $.id}}
faults: []
expect:
  - orders.effect(log).lost == 0
  - orders.effect(log).duplicates == 0
  - orders.effect(notices).lost == 0
  - orders.effect(notices).duplicates == 0
`)
	code, stdout, stderr := wringer(t, b.run(file)...)
	if code != reports.ExitPass && code != reports.ExitInconclusive { // a busy machine
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	s := loadRecord(t, b.record("record")).Run.Streams["orders"]
	if s.Total.Acked == 0 || len(s.Places) != 2 {
		t.Fatalf("%d acked, %d places: %s%s", s.Total.Acked, len(s.Places), stdout, stderr)
	}
	for _, p := range s.Places {
		i := p.Total.Integrity
		if p.Unread != "" || i.Lost == nil || *i.Lost != 0 || *i.EffectDuplicates != 0 || *i.Seen < s.Total.Acked {
			t.Errorf("%s: unread %q, %+v of %d acked", p.Name, p.Unread, i, s.Total.Acked)
		}
	}
	b.clean()
}
