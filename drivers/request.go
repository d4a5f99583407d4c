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
