package rest

import (
	"errors"

	"wringer/drivers"
)

// driver sends one request over and over. It is the driver of a plain stream, and of each request of a stream with
// several.
type driver struct {
	*origin
	request   *request
	evaluator *evaluator
	layout    texts // of an HTTP/1.1 head
	reuse     bool
	maxBody   int64
	replays   *replaying // nil when there are none
}

// Session implements drivers.Driver.
func (d *driver) Session() (drivers.Session, error) { return d.openSession(), nil }

// Close implements drivers.Driver.
func (d *driver) Close() error { return errors.Join(d.client.Close(), d.replays.close()) }

// Gauges implements drivers.Gauger.
func (d *driver) Gauges(emit func(name string, value float64)) { d.client.Gauges(emit) }

// originSession is a session to one origin. Several drivers of that origin can use it in turn.
type originSession interface {
	drivers.Session
	// use selects the driver of the next requests. Its origin must be the session's.
	use(d *driver)
	// last is the answer to the last attempt, if that attempt was answered. It is valid until the next attempt.
	last() *answer
}

// openSession opens a session to the driver's origin.
func (d *driver) openSession() originSession {
	if d.pool != nil {
		return &session2{d: d}
	}
	s := &session{}
	s.reader.a = &s.answer
	s.use(d)
	return s
}

func (s *session) use(d *driver) {
	s.d = d
	s.reader.evaluator, s.reader.maxBody, s.reader.noBody = d.evaluator, d.maxBody, d.request.line.method == "HEAD"
	s.reader.clock = d.env.Clock
}

func (s *session) last() *answer { return &s.answer }

func (s *session2) use(d *driver) { s.d = d }

func (s *session2) last() *answer { return &s.answer }
