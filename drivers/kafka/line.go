package kafka

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// line is one producer of a driver, sarama's or a press, with connections of its own.
type line struct {
	client   sarama.Client
	press    *press                         // nil where sarama's producer is needed
	producer sarama.AsyncProducer           // nil with a press, or with a clerk, who has it
	clerk    *clerk                         // nil without transactions
	input    chan<- *sarama.ProducerMessage // of the producer or the clerk
}

// openLine makes a line. The topic exists, or first, who is called with the line's client, sees to it that it does.
func (d *Driver) openLine(brokers []string, config *sarama.Config, number int, first func(sarama.Client) error) (l *line, err error) {
	l = &line{}
	if d.config.Transactions != nil {
		own := *config
		own.Producer.Transaction.ID += fmt.Sprintf("-%d", number)
		config = &own
	}
	if l.client, err = sarama.NewClient(brokers, config); err != nil {
		return l, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	if err := first(l.client); err != nil {
		return l, err
	}
	if d.config.pressed() {
		if l.press, err = newPress(d, l.client); err != nil {
			return l, fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
		}
		return l, nil
	}
	producer, err := sarama.NewAsyncProducerFromClient(l.client)
	switch {
	case isDenied(err) && d.config.Transactions != nil:
		return l, denied("to send in transactions (Write on the transactional id "+config.Producer.Transaction.ID+")", err)
	case isDenied(err):
		return l, denied("to be an idempotent producer (IdempotentWrite, or Write on the topic)", err)
	case err != nil:
		return l, fmt.Errorf("%w: start the producer: %w", drivers.ErrUnreachable, err)
	}
	if d.config.Transactions != nil {
		l.clerk = newClerk(d, d.config.Transactions, l.client, producer, uint64(number))
		l.input = l.clerk.in
		return l, nil
	}
	l.producer, l.input = producer, producer.Input()
	return l, nil
}

// drain takes back what sarama gives back, until it has shut down.
func (l *line) drain(d *Driver) {
	if l.press != nil {
		d.drained.Go(l.press.inquire)
		return
	}
	if l.clerk != nil {
		d.drained.Go(l.clerk.run)
		return
	}
	d.drained.Go(func() {
		for m := range l.producer.Successes() {
			d.returned(m, nil)
		}
	})
	d.drained.Go(func() {
		for e := range l.producer.Errors() {
			d.returned(e.Msg, e.Err)
		}
	})
}

// end makes the producer give everything back; a clerk and a press end with the driver.
func (l *line) end() {
	if l.producer != nil {
		l.producer.AsyncClose()
	}
}

func (l *line) close() error {
	if l.client == nil {
		return nil
	}
	if err := l.client.Close(); err != nil && !errors.Is(err, sarama.ErrClosedClient) {
		return err
	}
	return nil
}

// lineOf is the line that an operation goes by: one for each key, so that a key's order is that of one producer.
func (d *Driver) lineOf(op *drivers.Op) *line {
	if len(d.lines) == 1 {
		return d.lines[0]
	}
	n := op.Seq
	if op.Keyed {
		n = op.Key
	}
	return d.lines[n%uint64(len(d.lines))]
}

// Producers implements drivers.Producers.
func (d *Driver) Producers() uint64 { return uint64(len(d.lines)) }
