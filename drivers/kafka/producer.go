package kafka

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// producer is one producer of a driver: a batcher or sarama's producer, with connections of its own.
type producer struct {
	client     sarama.Client
	batcher    *batcher                       // nil if sarama's producer is needed
	async      sarama.AsyncProducer           // nil with a batcher, or with a transactor, which owns it
	transactor *transactor                    // nil without transactions
	input      chan<- *sarama.ProducerMessage // of sarama's producer or of the transactor
	limit      *batchLimit                    // of sarama's batches; nil with a batcher
}

// openProducer makes a producer. It calls first with the new client; first makes sure that the topic exists.
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
	if d.config.Transactions != nil {
		p.client = &coordinated{Client: p.client, driver: d}
	}
	p.limit = d.limitBatches(p.client)
	producer, err := sarama.NewAsyncProducerFromClient(p.client)
	for notYet(err) && d.wait() {
		producer, err = sarama.NewAsyncProducerFromClient(p.client)
	}
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

// receiveReturns receives the records that sarama gives back, until sarama has shut down.
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

// end makes sarama's producer give all records back. A transactor and a batcher end with the driver.
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

// producerOf returns the producer of an operation. All operations of a key have one producer, which keeps their order.
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
