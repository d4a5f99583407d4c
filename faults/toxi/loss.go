package toxi

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"

	"wringer/faults"
)

// The reaction of a sender to a lost segment: RFC 6298 (retransmission timer, with Linux's minimum of 200 ms) and RFC
// 5681 (fast retransmit after the third duplicate acknowledgement).
const (
	segment       = 1460 // bytes
	duplicates    = 3    // segments that must follow a lost one for a fast retransmit
	leastRTO      = 200 * time.Millisecond
	mostRTO       = 120 * time.Second
	handshakeRTO  = time.Second
	mostLoss      = faults.Share(0.9)
	mostHandshake = 6 // a connection fails after this many repetitions (tcp_syn_retries of Linux)
)

// lossy loses segments of one direction of one connection.
type lossy struct{ random *rand.Rand }

// stall returns the delay of a segment by its loss and the loss of its repetitions. following is the number of
// segments sent right after it. roundTrip is the link's share of a round trip.
func (l lossy) stall(loss faults.Share, following int, roundTrip time.Duration) time.Duration {
	if l.random.Float64() >= float64(loss) {
		return 0
	}
	rto := leastRTO + roundTrip
	late := rto
	if following >= duplicates {
		late = roundTrip
	}
	return late + l.repeat(loss, rto)
}

// repeat returns the delay by lost repetitions. The time between them doubles.
func (l lossy) repeat(loss faults.Share, rto time.Duration) (late time.Duration) {
	for l.random.Float64() < float64(loss) {
		rto = min(2*rto, mostRTO)
		late += rto
	}
	return late
}

// handshake returns the delay of a connection by lost packets of its handshake.
func (l lossy) handshake(loss faults.Share) (late time.Duration) {
	rto := handshakeRTO
	for range mostHandshake {
		if l.random.Float64() >= float64(loss) {
			break
		}
		late += rto
		rto *= 2
	}
	return late
}

// lossRule loses segments. Losses of several faults are independent.
type lossRule struct{ *activeFault }

func newLossRule(f *activeFault) rule { return lossRule{f} }

func (l lossRule) add(r *laneRules, _ *flow, d direction) {
	if !l.config.appliesTo().covers(d) {
		return
	}
	r.loss = 1 - (1-r.loss)*(1-l.config.Loss)
	r.lossBy = append(r.lossBy, l.activeFault)
	r.most = math.MaxInt64
}

// lose queues a chunk in parts. Lost parts come later, and the parts after them wait.
func (l *lane) lose(c *stream.StreamChunk, r *laneRules, late time.Duration, charged []*activeFault) {
	lossy := lossy{l.chance()}
	from := 0
	part := func(to int, late time.Duration) {
		if to > from {
			l.push(&stream.StreamChunk{Data: c.Data[from:to], Timestamp: c.Timestamp}, late, charged)
			from = to
		}
	}
	for at := 0; at < len(c.Data); at += segment {
		end := min(at+segment, len(c.Data))
		following := (len(c.Data) - end + segment - 1) / segment
		if stall := lossy.stall(r.loss, following, r.roundTrip); stall > 0 {
			part(at, late)
			part(end, late+stall)
			l.flow.charge(without(r.lossBy, charged), l.direction, end-at)
		}
	}
	part(len(c.Data), late)
}
