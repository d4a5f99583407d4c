package metric

// Need is one thing that a stream must have for a metric to be measured. The scenario language knows when each is met, and
// says what to do when it is not.
type Need uint8

const (
	// Nothing is needed.
	Nothing Need = iota
	// Operations: the stream sends some.
	Operations
	// Observed: what became of operations is read back, from the effects or from the driver's own log.
	Observed
	// Effects: the stream says where its operations must show up.
	Effects
	// Witness and Replay: the stream asks for them.
	Witness
	Replay
	// Messages: the operations are streams of messages. Counted: it is known how many messages there must be. Tracked:
	// messages can be told apart.
	Messages
	Counted
	Tracked
	// Group: the stream consumes, and a group of consumers reads too.
	Group
	// Origin: the stream consumes, and names the stream whose operations must show up.
	Origin
	// Sequence: the stream consumes records that carry a number within their key.
	Sequence
	// Order: the stream consumes, and knows the order that was meant: by a sequence, or by the keys of the origin.
	Order
)

// Needs are what a metric needs of a stream that sends, and of one that consumes what others publish.
type Needs struct{ Sending, Consuming Need }
