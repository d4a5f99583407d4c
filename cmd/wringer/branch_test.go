package main

import (
	"testing"

	"wringer/drivers/kafka"
	"wringer/faults/kafkalink"
)

// A scenario names a broker behind a stream's own link and one behind a link between services in the same way. Yet the packages
// of one protocol know nothing of each other.
func TestBranchesOfKafkaAreReadAlike(t *testing.T) {
	for text, good := range map[string]bool{
		"broker-0": true, "broker-2147483647": true, "leader(orders,0)": true, "leader( a.b_c-d , 7)": true,
		"": false, "broker": false, "broker-": false, "broker-02": false, "broker--1": false, "broker-2147483648": false, "broker-2/x": false,
		"leader": false, "leader()": false, "leader(orders)": false, "leader(orders,)": false, "leader(,0)": false, "leader(orders,0": false,
		"leader(orders,-1)": false, "leader(orders,0,1)": false, "Broker-2": false,
	} {
		stream, link := new(kafka.Config).CheckBranch(text), new(kafkalink.Config).CheckBranch(text)
		if (stream == nil) != good || (link == nil) != good {
			t.Errorf("%q: the stream says %v, the link %v; want good %v", text, stream, link, good)
		}
		if stream != nil && link != nil && stream.Error() != link.Error() {
			t.Errorf("%q: %q is not %q", text, stream, link)
		}
	}
}
