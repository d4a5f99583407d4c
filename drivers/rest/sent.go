package rest

import (
	"errors"

	"wringer/drivers"
)

var (
	_ drivers.Recalling = (*driver)(nil)
	_ drivers.Recalling = (*stepped)(nil)
)

// SentBody implements drivers.Recalling.
func (d *driver) SentBody() (drivers.SentBody, error) {
	for i := range d.request.body {
		if t := d.request.body[i].text.template; t != nil {
			if err := drivers.Recallable(t.String()); err != nil {
				return nil, err
			}
		}
	}
	return d.request.body.append, nil
}

// SentBody implements drivers.Recalling. What a later step sends may hold what an earlier one captured, which nobody keeps.
func (c *stepped) SentBody() (drivers.SentBody, error) {
	return nil, errors.New("an operation of several steps sends several bodies, and values that it captured are not kept once it is over")
}
