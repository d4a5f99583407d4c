// Package kafkalink breaks Kafka on a link, above its bytes. It also keeps a target's own clients on the link: they learn
// the brokers' addresses from answers, and would bypass the link.
//
// Every answer that names brokers is rewritten, so that each broker is reached through an inlet of its own. Frames separate
// requests and answers. An unknown API, version or protocol passes byte for byte; if it could hold addresses, the log says
// so. A body is read only if it may hold an address, or if a fault asks for it.
package kafkalink
