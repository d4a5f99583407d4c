package drivers

import "time"

// The kinds of a Stray.
const (
	StrayTwice       = "twice"       // beyond one for each transmission of its operation
	StrayLate        = "late"        // after its attempt was over
	StrayMisdirected = "misdirected" // it names another operation than its correlation id does
	StrayForeign     = "foreign"     // no request carried its correlation id
)

// Stray is a reply that answered nothing, or something else.
type Stray struct {
	Kind string
	// Seq is the operation that its correlation id names. A foreign one has none.
	Seq uint64
	// Correlation is the id as it came, of bounded length.
	Correlation string
	At          time.Duration // when it arrived, on the run's clock
	Why         string
}

// Astray is an optional extra of a Driver that awaits replies.
type Astray interface {
	// Strays has each stray handed over from now on. It is called once, before the first operation. tell must not block, and keeps
	// nothing of its argument; nil: everything that came before comes anew.
	Strays(tell func(*Stray))
}
