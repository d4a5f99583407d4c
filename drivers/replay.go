package drivers

import "context"

// Answer is the part of an operation's answer that can be compared with another answer. The zero value: not kept.
type Answer struct {
	Digest uint64 // of the body
	Size   int32  // of the body
	Status int16
}

// ReplayKind is a way to send an acknowledged operation again with its key.
type ReplayKind uint8

const (
	// ReplaySame: unchanged. The draft requires the first result.
	ReplaySame ReplayKind = iota
	// ReplayConcurrent: unchanged, twice at once. Each answer must be the first result, or say that the other is still in
	// progress (409).
	ReplayConcurrent
	// ReplayChanged: with another body. The draft requires a refusal (422).
	ReplayChanged
)

// ReplayKinds lists all kinds.
var ReplayKinds = []ReplayKind{ReplaySame, ReplayConcurrent, ReplayChanged}

func (k ReplayKind) String() string { return [...]string{"same", "concurrent", "changed"}[k] }

// Judgement is what the answer to a replay shows about the target.
type Judgement uint8

const (
	// ReplayUndecided: no answer, or an answer that says nothing about the key.
	ReplayUndecided Judgement = iota
	// ReplayHonoured: as the draft requires.
	ReplayHonoured
	// ReplayDeviation: refused as required, but with another status than the draft's.
	ReplayDeviation
	// ReplayViolation: another result, or a second operation accepted.
	ReplayViolation
)

// Replay is the result of one replay.
type Replay struct {
	Judgement Judgement
	Why       string    // in words, with the answer
	Attempts  []Attempt // the request that was sent
}

// Replayer is an optional extra of a Driver that can send acknowledged operations again. It judges the answers by the IETF
// draft on the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header).
type Replayer interface {
	// Replays lists the kinds that the stream's requests allow.
	Replays() []ReplayKind
	// Replay sends an operation again whose first answer was kept because Env.Replay chose it. It blocks until there is an
	// answer or ctx ends. Safe for concurrent use. A replay is no attempt of the operation.
	Replay(ctx context.Context, op *Op, first Answer, kind ReplayKind) Replay
}
