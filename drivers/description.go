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
	// Counters are those of the Gauges that count since the start and never fall. A gate reads by how much they rose.
	Counters []string
	// Anomalies are those of the Counters that count defects of the target, which no busy machine causes: each stands by its own
	// evidence.
	Anomalies []string
	// Messages says what the driver can report about the messages of an operation.
	Messages MessageTelling
	// Verifies says that the driver is a Verifier and that the scenario leaves verification on.
	Verifies bool
	// NoVerify names the reason and the remedy where the driver is a Verifier and this configuration prevents it. Empty: it does
	// not, or the scenario does not want it.
	NoVerify string
	// OrderNote is what the protocol promises of the order of messages, where that is less than it seems. It follows the evidence
	// of an order violation, and begins with "; ". Empty: nothing needs to be said.
	OrderNote string
	// LossNote names what takes records away by rule (a limit, a time to live), so that such a loss is not taken for the broker's. It follows
	// the evidence of a loss, and begins with "; ". Empty: nothing is known to do so.
	LossNote string
	// Peers says that the target is several peers, each with its own address. The configuration is then Branched, its
	// driver implements Peers, and a fault can break the path to a single peer.
	Peers bool
	// LocalAddrs lists the local addresses that connections use in turn; nil: the system chooses. Env.Dial binds them.
	LocalAddrs []netip.Addr
	// Connections says how many connections the stream needs, for wringer check.
	Connections ConnectionTelling
	// Kept is the most bytes of an answer that an operation holds until it is judged, for wringer check. 0: no whole answer.
	Kept int64
	// StatusPrefix is the part of the driver's codes before a numeric status: http_ in http_503. It is empty if the codes
	// have no number. A scenario may then write the number alone.
	StatusPrefix string
	// Codes lists the codes of the driver's own, beside those of all drivers and those of a status; nil: they are not listed.
	Codes []string
	// Checks says that the configuration checks answers: attempts can end with CodeCheck.
	Checks bool
	// CheckNames names those of the checks that have a name, at most MaxCheckNames. Attempt.Checked and Failed follow this order.
	CheckNames []string
	// Acks are the status numbers of which each answer means acked, ascending.
	Acks []Statuses
	// Witness says that the driver marks its requests as Env.Mark says, and that a witness can read them (HTTP/1.1, HTTP/2,
	// gRPC). If this configuration prevents that, NoWitness names the reason and the remedy.
	Witness   bool
	NoWitness string
	// Traces says that the driver adds the headers of Env.Trace. OwnTrace are those that this configuration sets itself.
	Traces   bool
	OwnTrace []string
	// Replay says that the driver is a Replayer. If this configuration prevents replays, NoReplay names the reason and the
	// remedy.
	Replay   bool
	NoReplay string
	// TLS says that the connections are encrypted. Recognised says why the target recognises a request that is sent again as
	// it was; empty: it does not.
	TLS        bool
	Recognised string
}

// Statuses are status numbers, both ends included.
type Statuses struct{ Low, High int }

// Holds says whether a status is among them.
func (s Statuses) Holds(status int) bool { return s.Low <= status && status <= s.High }

// MaxCheckNames bounds the named checks of a stream.
const MaxCheckNames = 64

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
	// Counters are those of the Gauges that count since the start and never fall, as in Description.
	Counters []string
	// Sequenced says that records have a sequence number within their key. Delivery.Sequence then shows the intended order,
	// and the missing records.
	Sequenced bool
	// Cannot says what the source cannot tell of a record.
	Cannot SourceLimits
	// Matched says that the source compares fields of each effect with what was sent; see Delivery.Wrong.
	Matched bool
	// Grouped says that a group of consumers reads beside the source: the configuration is then a GroupConfig. Churned says
	// that the group's members leave, freeze or die on a schedule.
	Grouped, Churned bool
	// Peers and TLS are as in Description, for the group's connections. A fault never breaks the source's own connections.
	Peers, TLS bool
}

// SourceLimits says what a source cannot tell, each by the reason and the remedy in words. Empty: it can.
type SourceLimits struct {
	// Order: which of two records came first. Redelivery: whether a record is one that was delivered before. Times: when a record
	// came.
	Order, Redelivery, Times string
}
