package kafka

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// line is one producer of a driver, sarama's or a press, with connections of its own.
type producer struct {
	client     sarama.Client
	batcher    *batcher                       // nil where sarama's producer is needed
	async      sarama.AsyncProducer           // nil with a press, or with a clerk, who has it
	transactor *transactor                    // nil without transactions
	input      chan<- *sarama.ProducerMessage // of the producer or the clerk
}

// openLine makes a line. The topic exists, or first, who is called with the line's client, sees to it that it does.
func (d *Driver) openProducer(brokers []string, config *sarama.Config, number int, first func(sarama.Client) error) (p *producer, err error) {
	p = &producer{}
	if d.config.Transactions != nil {
		own := *config
		own.Producer.Transaction.ID += fmt.Sprintf("-%d", number)
		config = &own
	}
	if p.client, err = sarama.NewClient(brokers, config); err != nil {
		return p, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	if err := first(p.client); err != nil {
		return p, err
	}
	if d.config.batchesItself() {
		if p.batcher, err = newBatcher(d, p.client); err != nil {
			return p, fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
		}
		return p, nil
	}
	producer, err := sarama.NewAsyncProducerFromClient(p.client)
	switch {
	case isDenied(err) && d.config.Transactions != nil:
		return p, denied("to send in transactions (Write on the transactional id "+config.Producer.Transaction.ID+")", err)
	case isDenied(err):
		return p, denied("to be an idempotent producer (IdempotentWrite, or Write on the topic)", err)
	case err != nil:
		return p, fmt.Errorf("%w: start the producer: %w", drivers.ErrUnreachable, err)
	}
	if d.config.Transactions != nil {
		p.transactor = newTransactor(d, d.config.Transactions, p.client, producer, uint64(number))
		p.input = p.transactor.in
		return p, nil
	}
	p.async, p.input = producer, producer.Input()
	return p, nil
}

// drain takes back what sarama gives back, until it has shut down.
func (p *producer) receiveReturns(d *Driver) {
	if p.batcher != nil {
		d.drained.Go(p.batcher.findLeaders)
		return
	}
	if p.transactor != nil {
		d.drained.Go(p.transactor.run)
		return
	}
	d.drained.Go(func() {
		for m := range p.async.Successes() {
			d.returned(m, nil)
		}
	})
	d.drained.Go(func() {
		for e := range p.async.Errors() {
			d.returned(e.Msg, e.Err)
		}
	})
}

// end makes the producer give everything back; a clerk and a press end with the driver.
func (p *producer) end() {
	if p.async != nil {
		p.async.AsyncClose()
	}
}

func (p *producer) close() error {
	if p.client == nil {
		return nil
	}
	if err := p.client.Close(); err != nil && !errors.Is(err, sarama.ErrClosedClient) {
		return err
	}
	return nil
}

// lineOf is the line that an operation goes by: one for each key, so that a key's order is that of one producer.
func (d *Driver) producerOf(op *drivers.Op) *producer {
	if len(d.producers) == 1 {
		return d.producers[0]
	}
	n := op.Seq
	if op.Keyed {
		n = op.Key
	}
	return d.producers[n%uint64(len(d.producers))]
}

// Producers implements drivers.Producers.
func (d *Driver) Producers() uint64 { return uint64(len(d.producers)) }
