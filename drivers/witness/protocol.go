package witness

import "errors"

const (
	tlsHandshake = 0x16
	amqpHeader   = "AMQP\x00\x00\x09\x01"
)

// protocol returns the reader of a protocol that only a link between services has, by the client's first bytes: Kafka's frames begin
// with a length below 16 MiB, so with a byte of 0, and AMQP's with its name. nil: it is HTTP, or more says which. more: further bytes
// decide.
func (l *link) protocol(c *conn, b []byte) (reader protocolReader, more bool) {
	switch {
	case l == nil || len(b) == 0:
		return nil, false
	case b[0] == 0:
		return newKafka(c), false
	case b[0] == tlsHandshake:
		return refuse{errors.New("TLS, which a witness cannot read")}, false
	case string(b[:min(len(b), len(amqpHeader))]) != amqpHeader[:min(len(b), len(amqpHeader))]:
		return nil, false
	case len(b) < len(amqpHeader):
		return nil, true
	}
	return newAMQP(c), false
}

// refuse is the reader of what cannot be read.
type refuse struct{ why error }

func (r refuse) asked([]byte) error  { return r.why }
func (refuse) answered([]byte) error { return nil }
func (refuse) ended() error          { return nil }
func (refuse) abandon()              {}
