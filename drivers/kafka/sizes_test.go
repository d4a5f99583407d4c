package kafka

import (
	"strings"
	"testing"

	"wringer/drivers"
)

// A record has the size that was drawn, and never less than its text.
func TestSizesOfRecords(t *testing.T) {
	config := Config{Brokers: "a:1", Topic: topic, Sizes: map[string]uint32{"3": 1, "50-60": 1}}
	template, err := config.recordTemplate(newEnv(), drivers.Dialect{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(100) {
		record, _ := template.record(&drivers.Op{Seq: seq}, &drivers.Attempt{Number: 1}, nil)
		text := strings.TrimRight(string(record.value), " ")
		if n := len(record.value); n != len(text) && (n < 50 || n > 60) {
			t.Errorf("%q has %d bytes", record.value, n)
		}
	}
}
