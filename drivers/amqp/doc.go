// Package amqp is the driver of RabbitMQ and other brokers of AMQP 0-9-1. Each operation is one message, published over
// connections of the library amqp091-go. The package also has the sources that read messages back, and consumers under test.
//
// The driver does not take the library's word for what became of a publish: on a close the library reports every publish that
// awaits its confirm as nacked. So the driver reads the broker's frames itself, as they arrive on its own connections: acks,
// nacks, returns and closes. A publish is known by its epoch (one channel from its opening to its end) and its delivery tag. An
// epoch that ends leaves its unconfirmed publishes indeterminate.
package amqp
