package kafka

import (
	"sync"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// transactor sends the records of a producer in transactions. It alone uses sarama's producer, so every record belongs to a
// known transaction.
//
// A record is acked if the commit of its transaction was confirmed. It is rejected if the commit was never requested: even
// if the abort fails, no other client can commit. It is indeterminate if the commit was requested and not confirmed.
type transactor struct {
	driver      *Driver
	client      sarama.Client
	config      *Transactions
	in          chan *sarama.ProducerMessage
	carriedOver *sarama.ProducerMessage // for the next transaction; nil: none
	producer    sarama.AsyncProducer    // nil while there is no producer
	returns     sync.WaitGroup
	draws       uint64 // the seed that decides which transactions are aborted
	number      uint64 // of the transaction
}

func newTransactor(d *Driver, config *Transactions, client sarama.Client, producer sarama.AsyncProducer, number uint64) *transactor {
	return &transactor{driver: d, config: config, client: client, producer: producer, draws: drivers.Draw(d.env.Seed, number, drawPlace+2), in: make(chan *sarama.ProducerMessage, 256)}
}

// run sends transactions until the driver shuts down.
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

// next returns the first record of the next transaction. It returns nil once the driver shuts down.
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

// receiveReturns receives the records that the producer gives back.
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

// closeProducer ends the producer, if there is one.
func (tr *transactor) closeProducer() {
	if tr.producer != nil {
		tr.producer.AsyncClose()
		tr.returns.Wait()
		tr.producer = nil
	}
}

// reopen replaces a producer that could not end its transaction. Requesting a producer id aborts any open transaction of
// the transactional id. It returns false when the driver shuts down.
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

// send sends one transaction that starts with first.
func (tr *transactor) send(first *sarama.ProducerMessage) {
	if err := tr.producer.BeginTxn(); err != nil {
		// A producer that cannot begin has failed for good. first goes to the next producer.
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
	<-t.flushed // when the driver shuts down it closes the connections, and sarama gives every record back
	tr.finish(t)
}

// mustAbort says whether the transaction can only be aborted.
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
		case r.stage.Load() == cancelled: // sarama would fail the whole transaction because of this record
			tr.driver.pending.remove(r)
		case tr.mustAbort(t): // a failed transaction takes no more records
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

// finish commits or aborts the transaction, and ends its attempts accordingly.
func (tr *transactor) finish(t *transaction) {
	draw := drivers.DrawUnit(drivers.Draw(tr.draws, tr.number, 0))
	why := "its abort was drawn"
	switch {
	case t.failed.Load():
		why = "one of its records failed"
	case tr.producer.TxnStatus()&sarama.ProducerTxnFlagInError != 0:
		why = "the client could not continue it"
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

// committed ends an attempt after the commit of its transaction was requested. err is nil if the commit was confirmed.
func (d *Driver) committed(r *pendingRecord, err error) {
	h := d.pending.remove(r)
	d.finish(r, func() {
		if err == nil {
			h.acked(r, d.noAcks)
			return
		}
		h.writeTo(r.at)
		r.at.Wire = true
		code := codeOf(err)
		if d.isShut() {
			code = drivers.CodeCancelled
		}
		r.at.Fail(drivers.Indeterminate, code, "the commit was not confirmed: "+err.Error())
	})
}

// aborted ends an attempt whose transaction was never committed.
func (d *Driver) aborted(r *pendingRecord, why string) {
	h := d.pending.remove(r)
	d.finish(r, func() {
		h.writeTo(r.at)
		r.at.Answered = h.answered > 0
		r.at.Fail(drivers.Rejected, codeAborted, "the transaction was aborted: "+why)
	})
}
