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
	// Messages: the operations are streams of messages. Counted: the number of expected messages is known. Tracked: messages
	// can be told apart.
	Messages
	Counted
	Tracked
	// Group: the stream consumes, and a group of consumers reads too.
	Group
	// Origin: the stream consumes, and names the stream whose operations must show up.
	Origin
	// Sequence: the stream consumes records that carry a number within their key.
	Sequence
	// Order: the stream consumes, and knows the intended order: by a sequence, or by the keys of the origin.
	Order
)

// Needs are the needs of a metric, for a stream that sends and for one that consumes.
type Needs struct{ Sending, Consuming Need }
