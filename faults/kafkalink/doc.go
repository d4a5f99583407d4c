// Package kafkalink breaks Kafka on a link, above its bytes. It also keeps a target's own clients on the link: they learn the
// brokers' addresses from answers, and would walk around the link.
//
// Every answer that names brokers is rewritten, so that each broker is reached through an inlet of its own. Requests and
// answers are told apart by their frames. What is not understood (an API, a version, another protocol) passes byte for byte;
// where it could hold addresses, the log says so. A body is read only if it may hold an address, or if a fault asks for it.
package kafkalink
