package drivers

import "bytes"

// MarkHeader is the header, or in lower case the gRPC metadata, in which a request carries its operation's identity when a
// witness stands behind the stream's link (Env.Mark).
const MarkHeader = "Wringer-Op"

// ReplayTag follows the identity in the mark of a replay: it is no arrival of the operation itself.
const ReplayTag = ";replay"

// Mark is what a request's mark says.
type Mark struct {
	Seq    uint64
	Ours   bool
	Replay bool
}

// ParseMark reads a mark: an identity, and after it ReplayTag or nothing. It allocates nothing.
func (id Identity) ParseMark(text []byte) Mark {
	var m Mark
	if rest, ok := bytes.CutSuffix(text, []byte(ReplayTag)); ok {
		text, m.Replay = rest, true
	}
	seq, b := id.Parse(text)
	m.Seq, m.Ours = seq, b == Ours
	return m
}
