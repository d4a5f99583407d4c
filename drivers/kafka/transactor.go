package kafka

import (
	"sync"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// clerk sends a driver's records in transactions. It alone uses the producer, so that no record can slip into a
// transaction that it does not know of.
//
// A record is acked when the commit of its transaction was confirmed. It is rejected when the commit was never asked for:
// whatever becomes of the abort, nobody else can commit. It is indeterminate when the commit was asked for and not
// confirmed.
type transactor struct {
	driver      *Driver
	client      sarama.Client
	config      *Transactions
	in          chan *sarama.ProducerMessage
	carriedOver *sarama.ProducerMessage // for the next transaction; nil: none
	producer    sarama.AsyncProducer    // nil while there is none
	returns     sync.WaitGroup
	draws       uint64 // from which it is drawn which transactions are aborted
	number      uint64 // of the transaction
}

func newTransactor(d *Driver, config *Transactions, client sarama.Client, producer sarama.AsyncProducer, line uint64) *transactor {
	return &transactor{driver: d, config: config, client: client, producer: producer, draws: drivers.Draw(d.env.Seed, line, drawPlace+2), in: make(chan *sarama.ProducerMessage, 256)}
}

// run works until the driver shuts down.
func (tr *transactor) run() {
	tr.receiveReturns()
	defer tr.closeProducer()
	for m := tr.next(); m != nil; m = tr.next() {
		if tr.producer == nil && !tr.reopen() {
			return
		}
		tr.send(m)
		tr.number++
	}
}

// next is the first record of the next transaction; nil once the driver shuts down.
func (tr *transactor) next() *sarama.ProducerMessage {
	m := tr.carriedOver
	tr.carriedOver = nil
	if m != nil {
		return m
	}
	select {
	case m = <-tr.in:
		return m
	case <-tr.driver.shutting:
		return nil
	}
}

// takeBack takes back what the producer gives back.
func (tr *transactor) receiveReturns() {
	p := tr.producer
	tr.returns.Go(func() {
		for m := range p.Successes() {
			tr.driver.returned(m, nil)
		}
	})
	tr.returns.Go(func() {
		for e := range p.Errors() {
			tr.driver.returned(e.Msg, e.Err)
		}
	})
}

// retire ends the producer, if there is one.
func (tr *transactor) closeProducer() {
	if tr.producer != nil {
		tr.producer.AsyncClose()
		tr.returns.Wait()
		tr.producer = nil
	}
}

// renew makes a producer in place of one that could not end its transaction: asking for a producer id aborts what is open
// under the transactional id. false: the driver shuts down.
func (tr *transactor) reopen() bool {
	for {
		p, err := sarama.NewAsyncProducerFromClient(tr.client)
		if err == nil {
			tr.producer = p
			tr.receiveReturns()
			return true
		}
		timer := time.NewTimer(backoff)
		select {
		case <-timer.C:
		case <-tr.driver.shutting:
			timer.Stop()
			return false
		}
	}
}

// carry sends one transaction, first being its first record.
func (tr *transactor) send(first *sarama.ProducerMessage) {
	if err := tr.producer.BeginTxn(); err != nil {
		// A producer that can't begin has failed for good. first waits for the next one.
		tr.closeProducer()
		if !tr.reopen() || tr.producer.BeginTxn() != nil {
			tr.driver.returned(first, err)
			return
		}
	}
	t := &transaction{flushed: make(chan struct{})}
	t.left.Store(1)
	tr.fill(t, first)
	t.recordDone()
	<-t.flushed // sarama gives every record back, the connections being closed when the driver shuts down
	tr.finish(t)
}

// fails says whether the transaction can only be aborted.
func (tr *transactor) mustAbort(t *transaction) bool {
	return t.failed.Load() || tr.producer.TxnStatus()&sarama.ProducerTxnFlagInError != 0
}

// fill hands records to sarama until the transaction is full, has failed, or its time is up.
func (tr *transactor) fill(t *transaction, m *sarama.ProducerMessage) {
	timer := time.NewTimer(tr.config.every())
	defer timer.Stop()
	for {
		r := m.Metadata.(*pendingRecord)
		switch {
		case r.stage.Load() == cancelled: // sarama would fail the whole transaction over it
			tr.driver.pending.remove(r)
		case tr.mustAbort(t): // what has failed takes no more with it
			tr.carriedOver = m
			return
		default:
			t.add(r)
			tr.producer.Input() <- m
		}
		if len(t.records) >= tr.config.records() {
			return
		}
		select {
		case m = <-tr.in:
		case <-timer.C:
			return
		case <-tr.driver.shutting:
			return
		}
	}
}

// finish commits or aborts, and ends the flights accordingly.
func (tr *transactor) finish(t *transaction) {
	draw := drivers.DrawUnit(drivers.Draw(tr.draws, tr.number, 0))
	why := "it was to be aborted"
	switch {
	case t.failed.Load():
		why = "a record of it failed"
	case tr.producer.TxnStatus()&sarama.ProducerTxnFlagInError != 0:
		why = "the client could not go on with it"
	case draw >= float64(tr.config.Abort):
		err := tr.producer.CommitTxn()
		for _, r := range t.records {
			tr.driver.committed(r, err)
		}
		if err != nil {
			tr.closeProducer()
		}
		return
	}
	err := tr.producer.AbortTxn()
	for _, r := range t.records {
		tr.driver.aborted(r, why)
	}
	if err != nil {
		tr.closeProducer()
	}
}

// committed ends a flight after its transaction's commit was asked for; err is nil when it was confirmed.
func (d *Driver) committed(r *pendingRecord, err error) {
	d.finish(r, func() {
		if err == nil {
			d.pending.history(r).acked(r, d.noAcks)
			return
		}
		d.pending.history(r).writeTo(r.at)
		r.at.Wire = true
		code := codeOf(err)
		if d.isShut() {
			code = drivers.CodeCancelled
		}
		r.at.Fail(drivers.Indeterminate, code, "the commit was not confirmed: "+err.Error())
	})
}

// aborted ends a flight whose transaction's commit was never asked for.
func (d *Driver) aborted(r *pendingRecord, why string) {
	d.finish(r, func() {
		h := d.pending.history(r)
		h.writeTo(r.at)
		r.at.Answered = h.answered > 0
		r.at.Fail(drivers.Rejected, codeAborted, "the transaction was aborted: "+why)
	})
}
