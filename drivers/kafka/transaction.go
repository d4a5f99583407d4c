package kafka

import (
	"fmt"
	"sync/atomic"
	"time"

	"wringer/drivers"
)

// Transactions is the `transactions:` part of a stream. The stream's records are sent in transactions, one after another.
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
	// codeAborted is the code of a record in an aborted transaction.
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

// transaction holds the records between a begin and a commit or abort.
type transaction struct {
	records []*pendingRecord
	// left counts the records that sarama has not given back, plus one while records are added.
	left    atomic.Int64
	flushed chan struct{} // closed when left is 0
	failed  atomic.Bool   // sarama gave a record back with an error
}

func (t *transaction) add(r *pendingRecord) {
	t.left.Add(1)
	r.transaction = t
	t.records = append(t.records, r)
}

func (t *transaction) recordDone() {
	if t.left.Add(-1) == 0 {
		close(t.flushed)
	}
}
