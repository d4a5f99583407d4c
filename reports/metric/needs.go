package metric

// Need is one thing that a stream must have for a metric to be measured. The scenario language knows when each need is met, and
// the remedy when it is not.
type Need uint8

const (
	// Nothing is needed.
	Nothing Need = iota
	// Operations: the stream sends some.
	Operations
	// Observed: the fate of operations is read back, from the effects or from the driver's own log.
	Observed
	// Effects: the stream names the place where its operations must show up.
	Effects
	// Witness and Replay: the stream asks for them.
	Witness
	Replay
	// LinkRequests: a witness stands on the link. LinkIdentity: its requests carry an identity. LinkOperations: the metric can be of
	// one stream too. LinkTie: the same, and requests are tied to operations.
	LinkRequests
	LinkIdentity
	LinkOperations
	LinkTie
	// Saga: the effects have compensations. SagaTimes: every place of the saga tells when records came.
	Saga
	SagaTimes
	// Messages: the operations are streams of messages. Counted: the number of expected messages is known. Tracked: messages
	// can be told apart.
	Messages
	Counted
	Tracked
	// Group: the stream consumes, and a group of consumers reads too.
	Group
	// Chain: each operation takes several steps. Checked: some checks of its answers have a name.
	Chain
	Checked
	// Origin: the stream consumes, and names the stream whose operations must show up.
	Origin
	// Sequence: the stream consumes records that carry a number within their key.
	Sequence
	// Order: the stream consumes, and knows the intended order: by a sequence, or by the keys of the origin.
	Order
)

// PlaceNeed is one thing that a place of effects must offer for a metric to be measured there.
type PlaceNeed uint8

const (
	// Any place will do.
	Any PlaceNeed = iota
	// Due: every operation must show up there. At the place of a compensation none must.
	Due
	// Dated, Ordered, Repeating: the place tells when records came, in which order, and which were delivered before.
	Dated
	Ordered
	Repeating
	// Matched: fields of each effect are compared with what was sent.
	Matched
)

// Needs are the needs of a metric, for a stream that sends and for one that consumes; and those of each place of its effects.
type Needs struct {
	Sending, Consuming Need
	Place              PlaceNeed
}
