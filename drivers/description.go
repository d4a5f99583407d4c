package drivers

import "net/netip"

// Description is what a Config says of a stream before anything is opened. The zero value promises nothing: a driver
// offers only what its description names.
type Description struct {
	// Place says in words where the stream sends: POST http://orders.test/orders.
	Place string
	// Steps names the steps that each operation takes, in order; nil when an operation is a single exchange. Attempt.Steps
	// follows this order.
	Steps []string
	// Gauges names every figure that the driver's Gauger can emit. Gates may use these names.
	Gauges []string
	// Messages says what the driver can tell about the messages of an operation.
	Messages MessageTelling
	// Verifies says that the driver is a Verifier and that the scenario leaves verification on.
	Verifies bool
	// Peers says that the target is several peers, each with an address of its own. The configuration is then Branched, its
	// driver has Peers, and a fault can break the way to one peer alone.
	Peers bool
	// LocalAddrs lists the local addresses that connections leave from, each in turn; nil for the system's choice. Env.Dial
	// binds them.
	LocalAddrs []netip.Addr
	// StatusPrefix is what the driver's codes put before a numeric status: http_ for http_503. Empty: its codes hold no
	// such number. A scenario may then write the number alone.
	StatusPrefix string
	// Checks says that the configuration checks what is answered: attempts can end with CodeCheck.
	Checks bool
	// Witness says that the driver marks its requests as Env.Mark asks, and that a witness can read them (HTTP/1.1, HTTP/2,
	// gRPC). NoWitness then names what in this configuration stands in the way, with the remedy; empty: nothing does.
	Witness   bool
	NoWitness string
	// Replay says that the driver is a Replayer. NoReplay then names what in this configuration stands in the way, with the
	// remedy; empty: nothing does.
	Replay   bool
	NoReplay string
}

// MessageTelling says what a driver can tell about the messages of a stream: Streams that operations carry messages, Counted
// how many must come or arrive, Tracked which message is which.
type MessageTelling struct{ Streams, Counted, Tracked bool }

// SourceDescription is what a SourceConfig says of itself before anything is opened. The zero value promises nothing.
type SourceDescription struct {
	// Place says in words where the source reads.
	Place string
	// Gauges names every figure that the source's Gauger can emit. Gates may use these names.
	Gauges []string
	// Sequenced says that records number themselves within their key: Delivery.Sequence tells the order that was meant,
	// and which records are missing.
	Sequenced bool
	// Grouped says that a group of consumers reads beside the source: the configuration is then a GroupConfig. Churned
	// says that the group's members are to be struck.
	Grouped, Churned bool
	// Peers is as a Description's. It speaks of the group's connections: a fault never breaks a source's own.
	Peers bool
}
