package main

import (
	"fmt"
	"strings"
	"testing"

	"wringer/scenarios"
)

// TestCodesOfAStream: a gate on a code with which a stream cannot end would always hold. So it is an error, as is a retry on one.
func TestCodesOfAStream(t *testing.T) {
	streams := map[string]string{
		"rest":  `rest: {request: "GET http://127.0.0.1:1/"}`,
		"grpc":  `grpc: {target: "127.0.0.1:1", method: a.B/C, message: {}}`,
		"kafka": `kafka: {brokers: "127.0.0.1:1", topic: t}`,
		"amqp":  `amqp: {url: "amqp://127.0.0.1:1/", queue: q}`,
	}
	ends := map[string]string{ // by protocol: with which attempts end
		"rest":  "503 http_503 timeout reset check",
		"grpc":  "grpc_unavailable 503 http_502 timeout",
		"kafka": "kafka_not_leader_or_follower kafka_client kafka_transaction_aborted kafka_message_too_large kafka_storage_error timeout",
		"amqp":  "amqp_nack amqp_blocked amqp_no_route amqp_not_found timeout",
	}
	not := map[string]string{
		"rest":  "grpc_unavailable kafka_client http_999 http_5xx",
		"grpc":  "grpc_unavailble amqp_nack",
		"kafka": "kafka_not_leader 503 http_503 grpc_unavailable",
		"amqp":  "amqp_nak 503 kafka_client",
	}
	for name, stream := range streams {
		for _, code := range strings.Fields(ends[name]) {
			if err := codeErrors(stream, code); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, code := range strings.Fields(not[name]) {
			if err := codeErrors(stream, code); err == nil || strings.Count(err.Error(), "ends with no code") != 2 {
				t.Errorf("%s: code %s: %v", name, code, err)
			}
		}
	}
}

// codeErrors is what is wrong with a scenario that has a gate on a code, and a retry on it.
func codeErrors(stream, code string) error {
	text := fmt.Sprintf("name: x\nrun: {duration: 1s}\ntraffic:\n  a: {%s, rate: 1/s, retry: {attempts: 2, on: [%s]}}\nexpect: [a.code(%s) == 0]\n", stream, code, code)
	_, err := scenarios.Parse("x.yaml", []byte(text), language, scenarios.Options{})
	return err
}
