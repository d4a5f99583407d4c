package amqp

import "wringer/drivers"

var _ drivers.Recalling = (*Driver)(nil)

// SentBody implements drivers.Recalling. What pads a body is left out.
func (d *Driver) SentBody() (drivers.SentBody, error) {
	body := d.template.body
	if err := drivers.Recallable(body.String()); err != nil {
		return nil, err
	}
	return func(dst []byte, op *drivers.Op) []byte { return body.Append(dst, &body.env, op) }, nil
}
