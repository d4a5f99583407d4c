package toxi

import (
	"math/rand/v2"
	"time"

	"wringer/faults"
)

// What a sender does about a segment that is lost, after RFC 6298 (the retransmission timer, with the least of 200 ms that
// Linux has) and RFC 5681 (fast retransmit by the third duplicate acknowledgement).
const (
	segment       = 1460 // bytes
	duplicates    = 3    // segments that must follow a lost one for a fast retransmit
	leastRTO      = 200 * time.Millisecond
	mostRTO       = 120 * time.Second
	handshakeRTO  = time.Second
	mostLoss      = faults.Share(0.9)
	mostHandshake = 6 // a connection is given up after so many repetitions (tcp_syn_retries of Linux)
)

// lossy loses segments of one direction of one connection.
type lossy struct{ random *rand.Rand }

// stall returns how late a segment is because it, and its repetitions, are lost. following is how many segments follow
// it at once, roundTrip what the link adds to a round trip.
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

// repeat returns how late the repetition is because it is lost too: each is sent twice as long after the one before.
func (l lossy) repeat(loss faults.Share, rto time.Duration) (late time.Duration) {
	for l.random.Float64() < float64(loss) {
		rto = min(2*rto, mostRTO)
		late += rto
	}
	return late
}

// handshake returns how late a connection is made because a packet of its handshake is lost.
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
