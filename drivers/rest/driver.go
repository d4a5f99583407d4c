package rest

import (
	"errors"

	"wringer/drivers"
)

// driver sends one request, over and over: the plain stream, and each request of a stream that has several.
type driver struct {
	*origin
	request *request
	judge   *judge
	layout  texts // of an HTTP/1.1 head
	reuse   bool
	maxBody int64
	replays *replaying // nil when there are none
}

// Session implements drivers.Driver.
func (d *driver) Session() (drivers.Session, error) { return d.lane(), nil }

// Close implements drivers.Driver.
func (d *driver) Close() error { return errors.Join(d.fleet.Close(), d.replays.close()) }

// Gauges implements drivers.Gauger.
func (d *driver) Gauges(emit func(name string, value float64)) { d.fleet.Gauges(emit) }

// lane is a session to one origin, which can take the requests of several drivers in turn.
type lane interface {
	drivers.Session
	// turn says whose request is sent from now on; its origin must be the lane's.
	turn(d *driver)
	// last is the answer to the last attempt, if that was answered. It is valid until the next.
	last() *answer
}

// lane opens a lane to the driver's origin.
func (d *driver) lane() lane {
	if d.pool != nil {
		return &session2{d: d}
	}
	s := &session{}
	s.reader.a = &s.answer
	s.turn(d)
	return s
}

func (s *session) turn(d *driver) {
	s.d = d
	s.reader.j, s.reader.maxBody, s.reader.noBody = d.judge, d.maxBody, d.request.line.method == "HEAD"
}

func (s *session) last() *answer { return &s.answer }

func (s *session2) turn(d *driver) { s.d = d }

func (s *session2) last() *answer { return &s.answer }
