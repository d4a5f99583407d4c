package e2e

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"wringer/reports"
)

// A scenario's message, numbers and lists as YAML has them, by a registry's schema.
func TestSchemaRegistry(t *testing.T) {
	checkedScenario(t, light)
	registry := srfake.New()
	defer registry.Close()
	_, _, err := registry.RegisterSchema("payments-value", sr.Schema{Schema: `{"type":"record","name":"Payment","fields":[
		{"name":"id","type":"string"},{"name":"amount","type":"double"},{"name":"parts","type":{"type":"array","items":"long"}},
		{"name":"note","type":["null","string"],"default":null}]}`})
	if err != nil {
		t.Fatal(err)
	}
	c := newTopic(t, nil)
	schema := fmt.Sprintf(`, schema: {registry: "%s"}, message: `, registry.URL())
	record, code, said := runKafka(t, addresses(c), "payments", schema+`{id: "{{id}}", amount: 7, parts: [1, "{{seq}}"], note: "{{key}}"}`)
	if total := loadRecord(t, record).Run.Streams["payments"].Total; !ended(code, reports.ExitPass, said) || *total.Integrity.Seen != total.Offered {
		t.Errorf("exit %d:\n%s", code, said)
	}
	if _, code, said = runKafka(t, addresses(c), "payments", schema+`{id: "{{id}}", amount: much, parts: []}`); code != reports.ExitUsage {
		t.Errorf("exit %d:\n%s", code, said)
	}
}
