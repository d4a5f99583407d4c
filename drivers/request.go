package drivers

import "time"

// Request is one request that a witness sees on a link between services. The witness fills it in while the request goes on.
type Request struct {
	// Kind is the kind of the request, of bounded length: GET /stock/*, /shop.Stock/Reserve, kafka Produce.
	Kind string
	// Conn is the number of its connection, from 1.
	Conn uint64
	// ID is its identity, in the place that the scenario names; empty: it carries none. Trace is its trace, zero without one.
	ID    []byte
	Trace TraceID
	// More are the identities of further records, where a request carries several.
	More [][]byte
	// Plain: requests of this kind carry no identity, whatever the scenario says. Partly: some of its records carry none.
	Plain, Partly bool
	// Delivery: the callee sent it, as a broker sends a message. Its identity is that of a delivery: the request that brought the
	// message to the callee is not repeated by it.
	Delivery bool
	// Whole: its body arrived to the end. Answered: its answer was complete before the caller gave it up. Status is the answer's:
	// 200, grpc_unavailable; empty without one.
	Whole, Answered bool
	Status          string

	// Published is the message that it brings to a broker of AMQP; nil: it brings none.
	Published *Published

	// At is the time of its arrival, on the run's clock, and To the account that took it. Both are set by that account.
	At time.Duration
	To Requests
}

// Requests takes what a witness sees on a link. Many goroutines call it, and it must not block.
type Requests interface {
	// Arrived: the head of a request reached the callee. It sets At and To.
	Arrived(r *Request)
	// Identified: the identity and the trace of the request are known as far as they ever will be. It follows Arrived.
	Identified(r *Request)
	// Over: the request was answered or given up. Nothing follows, and the caller may use the request again.
	Over(r *Request)
	// Blind: something on a connection could not be read. Later requests of that connection are not seen.
	Blind(why string)
}

// Published is a message that a client publishes to a broker of AMQP 0-9-1 over a link. Its slices are valid until Over returns.
type Published struct {
	Exchange, RoutingKey []byte
	// Body is the message's body, where the witness was asked to keep bodies. Unread: what identifies the message, or the body that
	// was asked for, could not be read.
	Body   []byte
	Unread bool
	// Fate is final once the request is over.
	Fate Fate
}

// Fate says whether a broker took a published message.
type Fate uint8

const (
	// Unsettled: nothing shows whether the broker took the message. It refused a confirm, the channel or the connection ended before
	// one, or none was asked for.
	Unsettled Fate = iota
	// Taken: the broker confirmed the message, and did not return it.
	Taken
	// Refused: the broker returned the message, or never got it whole.
	Refused
)

// Overhearing is a SourceConfig whose source reads what the witness of a link sees. The source implements Requests: it gets each
// request of the link in its step, and sets neither At nor To.
type Overhearing interface {
	SourceConfig
	// Overhears is the name of the link.
	Overhears() string
}
