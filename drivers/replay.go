package drivers

import "context"

// Answer is what was answered to an operation, as far as another answer can be compared with it. The zero value: not kept.
type Answer struct {
	Digest uint64 // of the body
	Size   int32  // of the body
	Status int16
}

// ReplayKind is a way to send an acknowledged operation again with its key.
type ReplayKind uint8

const (
	// ReplaySame: as it was. The draft asks for the result of the first.
	ReplaySame ReplayKind = iota
	// ReplayConcurrent: as it was, twice at once. Each answer is the result of the first, or says that the other is still
	// under way (409).
	ReplayConcurrent
	// ReplayChanged: with another body. The draft asks for a refusal (422).
	ReplayChanged
)

// ReplayKinds are all of them.
var ReplayKinds = []ReplayKind{ReplaySame, ReplayConcurrent, ReplayChanged}

func (k ReplayKind) String() string { return [...]string{"same", "concurrent", "changed"}[k] }

// Judgement is what an answer to a replay says of the target.
type Judgement uint8

const (
	// ReplayUndecided: no answer, or one that says nothing of the key.
	ReplayUndecided Judgement = iota
	// ReplayHonoured: as the draft describes.
	ReplayHonoured
	// ReplayDeviation: refused as it must be, with another status than the draft's.
	ReplayDeviation
	// ReplayViolation: another result, or a second one taken.
	ReplayViolation
)

// Replay is what became of one replay.
type Replay struct {
	Judgement Judgement
	Why       string    // in words, with what was answered
	Attempts  []Attempt // what was sent
}

// Replayer is an optional extra of a Driver that can send acknowledged operations again, and judge the answers as the IETF
// draft on the Idempotency-Key header describes (draft-ietf-httpapi-idempotency-key-header).
type Replayer interface {
	// Replays lists the kinds that the stream's requests allow.
	Replays() []ReplayKind
	// Replay sends an operation again, whose first answer was kept because Env.Replay chose it. It blocks until the answer
	// is there or ctx ends, and is safe for concurrent use. It is no attempt of the operation.
	Replay(ctx context.Context, op *Op, first Answer, kind ReplayKind) Replay
}
