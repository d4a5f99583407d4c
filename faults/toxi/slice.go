package toxi

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Slice cuts the stream into small pieces.
type Slice struct {
	Size Bytes         `yaml:"size" worse:"less" jsonschema:"required" jsonschema_description:"Bytes of a piece: 64B."`
	Vary Bytes         `yaml:"vary" jsonschema_description:"How much smaller or larger than size a piece may be, drawn evenly. Less than size."`
	Gap  time.Duration `yaml:"gap" worse:"more" jsonschema_description:"The time between two pieces. At least about 1ms is kept."`
}

func (s *Slice) String() string {
	words := s.Size.String()
	if s.Vary != 0 {
		words += fmt.Sprint(" +- ", s.Vary)
	}
	if s.Gap != 0 {
		words += fmt.Sprint(" every ", s.Gap)
	}
	return words
}

func (s *Slice) check(problem func(field, message string)) {
	switch {
	case s.Size < 1:
		problem("slice.size", "must be at least 1B")
	case s.Vary < 0 || s.Vary >= s.Size:
		problem("slice.vary", fmt.Sprintf("%v is not between 0B and the size, %v", s.Vary, s.Size))
	}
	if s.Gap < 0 {
		problem("slice.gap", "is negative")
	}
}

// slicer cuts one direction of one connection.
type slicer struct {
	random *rand.Rand
	piece  int       // bytes of the next piece; 0: not drawn yet
	until  time.Time // no piece goes before this
}

// next returns the size of the next piece, and how long the piece has to wait.
func (s *slicer) next(rule *Slice, now time.Time) (size int, wait time.Duration) {
	if s.piece == 0 {
		s.piece = int(rule.Size)
		if rule.Vary > 0 {
			s.piece += int(s.random.Int64N(int64(2*rule.Vary+1)) - int64(rule.Vary))
		}
	}
	return s.piece, s.until.Sub(now)
}

// sent records that a piece was sent.
func (s *slicer) sent(rule *Slice, now time.Time) { s.piece, s.until = 0, now.Add(rule.Gap) }

// sliceRule cuts the stream into pieces. The smallest pieces of several faults hold.
type sliceRule struct{ *activeFault }

func newSliceRule(f *activeFault) rule { return sliceRule{f} }

func (s sliceRule) add(r *laneRules, _ *flow, d direction) {
	if !s.config.appliesTo().covers(d) {
		return
	}
	if r.slice == nil || s.config.Slice.Size < r.slice.Size {
		r.slice, r.slicedBy = s.config.Slice, []*activeFault{s.activeFault}
	}
}

// cutUp limits the piece to a slice. It returns the remaining gap after the last slice.
func (l *lane) cutUp(r *laneRules, now time.Time) time.Duration {
	if l.slicer == nil {
		l.slicer = &slicer{random: l.chance()}
	}
	size, wait := l.slicer.next(r.slice, now)
	l.sliced = l.sliced || size < l.size || wait >= finestWait
	l.size = min(l.size, size)
	if wait < finestWait {
		return 0
	}
	l.totalDelay.Add(int64(wait))
	return wait
}
