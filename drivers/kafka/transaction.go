package kafka

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// Transactions is the `transactions:` part of a stream: its records are sent in transactions, one after the other.
type Transactions struct {
	Records int           `yaml:"records" jsonschema_description:"Records of a transaction. Default 100."`
	Every   time.Duration `yaml:"every" jsonschema_description:"A transaction ends after so long even with fewer records. Default 100ms."`
	Abort   drivers.Ratio `yaml:"abort" jsonschema_description:"Share of transactions that are aborted, drawn from the seed. Their records count as rejected: one that a read-committed reader sees is a phantom. Default 0."`
}

const (
	defaultTransactionRecords = 100
	maxTransactionRecords     = 1_000_000
	defaultTransactionEvery   = 100 * time.Millisecond
	maxTransactionEvery       = 30 * time.Second
	// codeAborted is the code of a record whose transaction was aborted.
	codeAborted = "kafka_transaction_aborted"
)

func (t *Transactions) records() int {
	if t.Records == 0 {
		return defaultTransactionRecords
	}
	return t.Records
}

func (t *Transactions) every() time.Duration {
	if t.Every == 0 {
		return defaultTransactionEvery
	}
	return t.Every
}

func (t *Transactions) check(problem func(field, message string)) {
	if t.Records < 0 || t.Records > maxTransactionRecords {
		problem("transactions.records", fmt.Sprintf("must be 1 to %d", maxTransactionRecords))
	}
	if t.Every < 0 || t.Every > maxTransactionEvery {
		problem("transactions.every", fmt.Sprintf("must be at most %v", maxTransactionEvery))
	}
	if t.Abort > 1 {
		problem("transactions.abort", "must be at most 100%")
	}
}

// transaction is the records between a begin and a commit or an abort.
type transaction struct {
	flights []*flight
	// left counts the records that sarama has not given back, and one more while records are added.
	left    atomic.Int64
	flushed chan struct{} // closed when left is 0
	failed  atomic.Bool   // sarama gave a record back with an error
}

func (t *transaction) add(f *flight) {
	t.left.Add(1)
	f.transaction = t
	t.flights = append(t.flights, f)
}

func (t *transaction) landed() {
	if t.left.Add(-1) == 0 {
		close(t.flushed)
	}
}

// clerk sends a driver's records in transactions. It alone uses the producer, so that no record can slip into a
// transaction that it does not know of.
//
// A record is acked when the commit of its transaction was confirmed. It is rejected when the commit was never asked for:
// whatever becomes of the abort, nobody else can commit. It is indeterminate when the commit was asked for and not
// confirmed.
type clerk struct {
	driver   *Driver
	client   sarama.Client
	config   *Transactions
	in       chan *sarama.ProducerMessage
	held     *sarama.ProducerMessage // for the next transaction; nil: none
	producer sarama.AsyncProducer    // nil while there is none
	returns  sync.WaitGroup
	draws    uint64 // from which it is drawn which transactions are aborted
	number   uint64 // of the transaction
}

func newClerk(d *Driver, config *Transactions, client sarama.Client, producer sarama.AsyncProducer, line uint64) *clerk {
	return &clerk{driver: d, config: config, client: client, producer: producer, draws: drivers.Draw(d.env.Seed, line, drawPlace+2), in: make(chan *sarama.ProducerMessage, 256)}
}

// run works until the driver shuts down.
func (c *clerk) run() {
	c.takeBack()
	defer c.retire()
	for m := c.next(); m != nil; m = c.next() {
		if c.producer == nil && !c.renew() {
			return
		}
		c.carry(m)
		c.number++
	}
}

// next is the first record of the next transaction; nil once the driver shuts down.
func (c *clerk) next() *sarama.ProducerMessage {
	m := c.held
	c.held = nil
	if m != nil {
		return m
	}
	select {
	case m = <-c.in:
		return m
	case <-c.driver.shutting:
		return nil
	}
}

// takeBack takes back what the producer gives back.
func (c *clerk) takeBack() {
	p := c.producer
	c.returns.Go(func() {
		for m := range p.Successes() {
			c.driver.returned(m, nil)
		}
	})
	c.returns.Go(func() {
		for e := range p.Errors() {
			c.driver.returned(e.Msg, e.Err)
		}
	})
}

// retire ends the producer, if there is one.
func (c *clerk) retire() {
	if c.producer != nil {
		c.producer.AsyncClose()
		c.returns.Wait()
		c.producer = nil
	}
}

// renew makes a producer in place of one that could not end its transaction: asking for a producer id aborts what is open
// under the transactional id. false: the driver shuts down.
func (c *clerk) renew() bool {
	for {
		p, err := sarama.NewAsyncProducerFromClient(c.client)
		if err == nil {
			c.producer = p
			c.takeBack()
			return true
		}
		timer := time.NewTimer(backoff)
		select {
		case <-timer.C:
		case <-c.driver.shutting:
			timer.Stop()
			return false
		}
	}
}

// carry sends one transaction, first being its first record.
func (c *clerk) carry(first *sarama.ProducerMessage) {
	if err := c.producer.BeginTxn(); err != nil {
		// A producer that can't begin has failed for good. first waits for the next one.
		c.retire()
		if !c.renew() || c.producer.BeginTxn() != nil {
			c.driver.returned(first, err)
			return
		}
	}
	t := &transaction{flushed: make(chan struct{})}
	t.left.Store(1)
	c.fill(t, first)
	t.landed()
	<-t.flushed // sarama gives every record back, the connections being closed when the driver shuts down
	c.finish(t)
}

// fails says whether the transaction can only be aborted.
func (c *clerk) fails(t *transaction) bool {
	return t.failed.Load() || c.producer.TxnStatus()&sarama.ProducerTxnFlagInError != 0
}

// fill hands records to sarama until the transaction is full, has failed, or its time is up.
func (c *clerk) fill(t *transaction, m *sarama.ProducerMessage) {
	timer := time.NewTimer(c.config.every())
	defer timer.Stop()
	for {
		f := m.Metadata.(*flight)
		switch {
		case f.stage.Load() == withdrawn: // sarama would fail the whole transaction over it
			c.driver.flights.leave(f)
		case c.fails(t): // what has failed takes no more with it
			c.held = m
			return
		default:
			t.add(f)
			c.producer.Input() <- m
		}
		if len(t.flights) >= c.config.records() {
			return
		}
		select {
		case m = <-c.in:
		case <-timer.C:
			return
		case <-c.driver.shutting:
			return
		}
	}
}

// finish commits or aborts, and ends the flights accordingly.
func (c *clerk) finish(t *transaction) {
	draw := drivers.DrawUnit(drivers.Draw(c.draws, c.number, 0))
	why := "it was to be aborted"
	switch {
	case t.failed.Load():
		why = "a record of it failed"
	case c.producer.TxnStatus()&sarama.ProducerTxnFlagInError != 0:
		why = "the client could not go on with it"
	case draw >= float64(c.config.Abort):
		err := c.producer.CommitTxn()
		for _, f := range t.flights {
			c.driver.committed(f, err)
		}
		if err != nil {
			c.retire()
		}
		return
	}
	err := c.producer.AbortTxn()
	for _, f := range t.flights {
		c.driver.aborted(f, why)
	}
	if err != nil {
		c.retire()
	}
}

// committed ends a flight after its transaction's commit was asked for; err is nil when it was confirmed.
func (d *Driver) committed(f *flight, err error) {
	d.end(f, func() {
		if err == nil {
			d.flights.look(f).acked(f, d.noAcks)
			return
		}
		d.flights.look(f).tell(f.at)
		f.at.Wire = true
		code := codeOf(err)
		if d.isShut() {
			code = drivers.CodeCancelled
		}
		f.at.Fail(drivers.Indeterminate, code, "the commit was not confirmed: "+err.Error())
	})
}

// aborted ends a flight whose transaction's commit was never asked for.
func (d *Driver) aborted(f *flight, why string) {
	d.end(f, func() {
		p := d.flights.look(f)
		p.tell(f.at)
		f.at.Answered = p.answered > 0
		f.at.Fail(drivers.Rejected, codeAborted, "the transaction was aborted: "+why)
	})
}
