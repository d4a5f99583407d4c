// Package amqplink breaks AMQP 0-9-1 on a link, above its bytes.
//
// The layer is put only on links that the scenario breaks this way. It reads frames and follows each channel. A message that is
// delivered again, or out of order, shifts the delivery tags of its channel: from then on the layer numbers deliveries itself, and
// translates the client's acknowledgements. The broker gets each of its own tags at most once, and no other. Bytes that are no
// frames pass unchanged.
package amqplink
