package kafka

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Identities are in a header of the target's own; keys and numbers are in the value.
func TestConsume(t *testing.T) {
	c := newCluster(t, 1)
	cl := client(t, c)
	config := Consume{Brokers: brokers(c), Topic: topic, ID: "header x-event-id", Key: "$.customer", Sequence: "$.version"}
	config.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	s, err := config.Open(t.Context(), newEnv())
	if err != nil {
		t.Fatal(err)
	}
	all, end := receive(t, s)
	for _, r := range []*kgo.Record{
		{Value: []byte(`{"customer":"c1","version":41}`), Headers: []kgo.RecordHeader{{Key: "other", Value: []byte("x")}, {Key: "x-event-id", Value: []byte("e1")}}},
		{Value: []byte(`{}`), Headers: []kgo.RecordHeader{{Key: HeaderID, Value: []byte("e2")}}},
	} {
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	catchUp(t, s)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if len(all.all) != 2 || !config.Describe().Sequenced {
		t.Fatalf("%d seen", len(all.all))
	}
	if d := all.all[0]; string(d.ID) != "e1" || string(d.Key) != "c1" || string(d.Sequence) != "41" {
		t.Errorf("%+v", d)
	}
	if d := all.all[1]; d.ID != nil || d.Key != nil || d.Sequence != nil {
		t.Errorf("%+v", d)
	}
}

func TestConsumeProblems(t *testing.T) {
	bad := Consume{Brokers: "nowhere", ID: "header ", Key: "customer", Sequence: "$.", SASL: &SASL{}}
	var fields []string
	bad.Check(func(field, _ string) { fields = append(fields, field) })
	if got, want := strings.Join(fields, " "), "brokers topic sasl id key sequence"; got != want {
		t.Errorf("problems of %s, want %s", got, want)
	}
}
