package kafka

import (
	"errors"

	"wringer/drivers"
)

var _ drivers.Recalling = (*Driver)(nil)

// SentBody implements drivers.Recalling. What pads a value is left out.
func (d *Driver) SentBody() (drivers.SentBody, error) {
	if d.template.message != nil {
		return nil, errors.New("a value that a schema encodes is no JSON document")
	}
	value := d.template.value
	if err := drivers.Recallable(value.String()); err != nil {
		return nil, err
	}
	return value.append, nil
}
