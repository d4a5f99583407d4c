package kafkalink

import (
	"strings"
	"testing"
	"time"

	"wringer/faults"
	"wringer/faults/toxi"
)

func TestConfigs(t *testing.T) {
	for _, tt := range []struct {
		act     Act
		problem string
		words   string
	}{
		{Act{API: "find_coordinator", Drop: "answers", Share: 0.25}, "", "find_coordinator: drop answers, of 25%"},
		{Act{API: "Produce", Error: "NOT_ENOUGH_REPLICAS", First: 2}, "", "produce: answer NOT_ENOUGH_REPLICAS, of the first 2"},
		{Act{API: "prodduce", Drop: "answers"}, "kafka.api", "prodduce: drop answers"},
		{Act{API: "produce"}, "kafka", ""},
		{Act{API: "produce", Drop: "answers", Hold: true}, "kafka", "produce: drop answers, fetch: hold records"},
		{Act{Drop: "answers"}, "kafka.api", ": drop answers"},
		{Act{API: "produce", Duplicate: 0.01}, "kafka.api", "produce: send 1% of the requests again"},
		{Act{Corrupt: 0.01, Topic: "orders"}, "", "fetch: corrupt 1% of the values, topic orders"},
		{Act{Tombstone: 0.01, First: 3}, "kafka.first", "fetch: null in place of 1% of the values, of the first 3"},
		{Act{SchemaID: 999999, Share: 0.01}, "", "fetch: schema 999999 in the values, of 1%"},
		{Act{SchemaID: -1}, "kafka.schema_id", "fetch: schema -1 in the values"},
		{Act{Truncate: new(int), Partition: new(int32)}, "kafka.partition", "fetch: truncate values after 0 bytes"},
		{Act{Corrupt: 1, Share: 0.5}, "kafka.share", "fetch: corrupt 100% of the values, of 50%"},
		{Act{Hold: true, Topic: "orders"}, "kafka.hold", "fetch: hold records, topic orders"},
		{Act{Hold: true, Topic: "orders", Partition: new(int32)}, "", "fetch: hold records, topic orders partition 0"},
		{Act{Rewind: 500, Group: "g"}, "", "offset_fetch: offsets 500 older, group g"},
		{Act{Rewind: -5, Topic: "t"}, "kafka.rewind kafka.topic", "offset_fetch: offsets -5 older, topic t"},
		{Act{Duplicate: 1, Group: "g"}, "kafka.group", "produce: send 100% of the requests again, group g"},
		{Act{API: "produce", Error: "NOT_A_LEADER"}, "kafka.error", "produce: answer NOT_A_LEADER"},
		{Act{API: "fetch", Error: "NOT_LEADER_OR_FOLLOWER"}, "kafka.error", "fetch: answer NOT_LEADER_OR_FOLLOWER"},
		{Act{API: "fetch", Delay: time.Second, First: 1, Share: 0.5}, "kafka.first", "fetch: delay answers by 1s, of the first 1, of 50%"},
	} {
		c := FaultConfig{Link: "l", Act: tt.act}
		var fields []string
		c.Check(func(field, message string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != tt.problem {
			t.Errorf("%+v: problems %q, want %q", tt.act, got, tt.problem)
		}
		if got := c.words(); got != tt.words {
			t.Errorf("%+v: %q, want %q", tt.act, got, tt.words)
		}
	}
	for listen, problem := range map[string]string{"127.0.0.1:0": "", "": "", "0.0.0.0:9092": "listen", ":9092": "listen"} {
		var fields []string
		(&Config{Listen: listen, Bootstrap: "h:1"}).Check(func(field, message string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != problem {
			t.Errorf("listen %q: problems %q, want %q", listen, got, problem)
		}
	}
	m, err := toxi.NewMesh(faults.Network{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	link, _ := m.Link("l")
	if _, err := link.(faults.ListeningLink).Lay("http", func() faults.Layer { return newLayer("l") }); err != nil {
		t.Fatal(err)
	}
	if err := (&FaultConfig{Link: "l", Act: Act{API: "produce", Drop: "answers"}}).Prepare(link); err == nil {
		t.Error("a link that speaks http is broken as kafka")
	}
}
