// Package kafka is the driver of Kafka. Each operation is one record, sent over sarama's connections. The package also has
// the source that reads records back, and the consumer groups under test.
//
// The driver does not guess what sarama does. It parses the Produce requests that leave on its own connections, and the
// responses. So the driver knows how often each record was transmitted, and which transmissions the broker refused.
// Outcomes rest on these facts, and not on sarama's last error.
//
// A plain producer (no retries, no idempotence, no linger, no transactions) fills its own batches and sends them by
// sarama's Broker.AsyncProduce. All other configurations go through sarama's producer.
package kafka
