package drivers

import "bytes"

// MarkHeader is the header that carries an operation's identity when a witness stands behind the stream's link (Env.Mark).
// In gRPC it is metadata, in lower case.
const MarkHeader = "Wringer-Op"

// ReplayTag follows the identity in the mark of a replay. A replay is no arrival of the operation itself.
const ReplayTag = ";replay"

// Mark is the content of a request's mark.
type Mark struct {
	Seq    uint64
	Ours   bool
	Replay bool
}

// ParseMark reads a mark: an identity, and then ReplayTag or nothing. It allocates nothing.
func (id Identity) ParseMark(text []byte) Mark {
	var m Mark
	if rest, ok := bytes.CutSuffix(text, []byte(ReplayTag)); ok {
		text, m.Replay = rest, true
	}
	seq, b := id.Parse(text)
	m.Seq, m.Ours = seq, b == Ours
	return m
}
