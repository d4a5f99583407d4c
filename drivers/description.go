package drivers

import "net/netip"

// Description is what a Config says of a stream before anything is opened. The zero value promises nothing: a driver offers
// only what its description names.
type Description struct {
	// Place says in words where the stream sends: POST http://orders.test/orders.
	Place string
	// Steps names the steps of each operation, in order. It is nil if an operation is a single exchange. Attempt.Steps
	// follows this order.
	Steps []string
	// Gauges names every figure that the driver's Gauger can emit. Gates may use these names.
	Gauges []string
	// Messages says what the driver can report about the messages of an operation.
	Messages MessageTelling
	// Verifies says that the driver is a Verifier and that the scenario leaves verification on.
	Verifies bool
	// Peers says that the target is several peers, each with its own address. The configuration is then Branched, its
	// driver implements Peers, and a fault can break the path to a single peer.
	Peers bool
	// LocalAddrs lists the local addresses that connections use in turn; nil: the system chooses. Env.Dial binds them.
	LocalAddrs []netip.Addr
	// Connections says how many connections the stream needs, for wringer check.
	Connections ConnectionTelling
	// StatusPrefix is the part of the driver's codes before a numeric status: http_ in http_503. It is empty if the codes
	// have no number. A scenario may then write the number alone.
	StatusPrefix string
	// Checks says that the configuration checks answers: attempts can end with CodeCheck.
	Checks bool
	// Witness says that the driver marks its requests as Env.Mark says, and that a witness can read them (HTTP/1.1, HTTP/2,
	// gRPC). If this configuration prevents that, NoWitness names the reason and the remedy.
	Witness   bool
	NoWitness string
	// Replay says that the driver is a Replayer. If this configuration prevents replays, NoReplay names the reason and the
	// remedy.
	Replay   bool
	NoReplay string
}

// MessageTelling says what a driver can report about the messages of a stream. Streams: operations carry messages. Counted:
// the expected number is known. Tracked: messages are told apart.
type MessageTelling struct{ Streams, Counted, Tracked bool }

// ConnectionTelling says how many connections a stream opens. With the zero value each operation in flight has one of its own.
type ConnectionTelling struct {
	// Shared is the number of connections that all operations share.
	Shared int
	// Streams is the number of operations that one connection carries at once. 0 counts as 1; without meaning beside Shared.
	Streams int
	// Fresh says that each attempt makes a connection. The system keeps the source port of a closed one for a while.
	Fresh bool
}

// Of is the number of connections that so many operations in flight need.
func (c ConnectionTelling) Of(inFlight int) int {
	if c.Shared > 0 {
		return c.Shared
	}
	each := max(c.Streams, 1)
	return (inFlight + each - 1) / each
}

// SourceDescription is what a SourceConfig says of itself before anything is opened. The zero value promises nothing.
type SourceDescription struct {
	// Place says in words where the source reads.
	Place string
	// Gauges names every figure that the source's Gauger can emit. Gates may use these names.
	Gauges []string
	// Sequenced says that records have a sequence number within their key. Delivery.Sequence then shows the intended order,
	// and the missing records.
	Sequenced bool
	// Grouped says that a group of consumers reads beside the source: the configuration is then a GroupConfig. Churned says
	// that the group's members leave, freeze or die on a schedule.
	Grouped, Churned bool
	// Peers is as in Description, for the group's connections. A fault never breaks the source's own connections.
	Peers bool
}
