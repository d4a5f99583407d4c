package kafka

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
)

// sendTransactions sends n operations in transactions while the topic is read back. It returns the attempts, and how often
// each operation was seen.
func sendTransactions(t *testing.T, c *kfake.Cluster, config Transactions, n uint64, timeout time.Duration) ([]drivers.Attempt, map[uint64]int) {
	t.Helper()
	env := newEnv()
	d := openDriver(t, c, Config{Transactions: &config}, env)
	source, err := d.Source()
	if err != nil {
		t.Fatal(err)
	}
	all, end := receive(t, source)
	attempts := send(t, d, 0, n, timeout, 10)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	catchUp(t, source)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[uint64]int)
	for _, s := range all.all {
		seq, _ := env.Identity.Parse(s.ID)
		seen[seq]++
	}
	return attempts, seen
}

// Committed records are acked and seen. Aborted records are rejected and not seen.
func TestTransactionOutcomes(t *testing.T) {
	attempts, seen := sendTransactions(t, newCluster(t, 3), Transactions{Records: 20, Abort: 0.4}, 500, testPatience)
	aborted := 0
	for seq, at := range attempts {
		switch {
		case at.Outcome == drivers.Acked && at.Position.Known && seen[uint64(seq)] == 1:
		case at.Outcome == drivers.Rejected && at.Code == codeAborted && at.Wire && at.Answered && seen[uint64(seq)] == 0:
			aborted++
		default:
			t.Errorf("operation %d was seen %d times: %+v", seq, seen[uint64(seq)], at)
		}
	}
	if aborted == 0 || aborted == len(attempts) {
		t.Errorf("%d of %d were aborted", aborted, len(attempts))
	}
}

// A broker that commits instead of aborting shows phantoms: rejected, and seen.
func TestTransactionBrokerLies(t *testing.T) {
	c := newCluster(t, 1)
	c.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r.(*kmsg.EndTxnRequest).Commit = true
		return nil, nil, false
	})
	attempts, seen := sendTransactions(t, c, Transactions{Records: 10, Abort: 1}, 50, testPatience)
	for seq, at := range attempts {
		if at.Outcome != drivers.Rejected || seen[uint64(seq)] != 1 {
			t.Errorf("operation %d was seen %d times: %+v", seq, seen[uint64(seq)], at)
		}
	}
}

// A commit that was requested and not confirmed may have happened.
func TestTransactionUnconfirmed(t *testing.T) {
	c := newCluster(t, 1)
	c.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		response := r.ResponseKind().(*kmsg.EndTxnResponse)
		response.ErrorCode = kerr.UnknownServerError.Code
		return response, nil, true
	})
	attempts, _ := sendTransactions(t, c, Transactions{Records: 10}, 10, testPatience)
	for seq, at := range attempts {
		if at.Outcome != drivers.Indeterminate {
			t.Errorf("operation %d: %+v", seq, at)
		}
	}
}

// A refused record aborts its transaction: none of its records is acked or seen. The next transaction succeeds.
func TestTransactionRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	refuse := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, Count: 1})
	defer refuse.Remove()
	attempts, seen := sendTransactions(t, c, Transactions{Records: 10}, 20, testPatience)
	acked := 0
	for seq, at := range attempts {
		switch {
		case at.Outcome == drivers.Acked && seen[uint64(seq)] == 1:
			acked++
		case at.Outcome == drivers.Rejected && seen[uint64(seq)] == 0:
		default:
			t.Errorf("operation %d was seen %d times: %+v", seq, seen[uint64(seq)], at)
		}
	}
	if acked == 0 || acked == len(attempts) {
		t.Errorf("%d acked", acked)
	}
}

// Records that come after a transaction has failed go into the next one.
func TestTransactionThatFailedTakesNoMore(t *testing.T) {
	c := newCluster(t, 1)
	refuse := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, Count: 1})
	defer refuse.Remove()
	d := openDriver(t, c, Config{Transactions: &Transactions{Records: 10, Every: 30 * time.Second}}, newEnv())
	producer := d.producers[0].transactor.producer
	attempts, over := make([]drivers.Attempt, 11), make(chan int, 11)
	post := func(i int) {
		attempts[i].Reset(1, d.env.Clock())
		d.Send(t.Context(), &drivers.Op{Seq: uint64(i)}, &attempts[i], func() { over <- i })
	}
	post(0)
	eventually(t, "the transaction fails", func() bool { return producer.TxnStatus()&sarama.ProducerTxnFlagInError != 0 })
	for i := 1; i < len(attempts); i++ {
		post(i)
	}
	for range attempts {
		i := <-over
		if want := map[bool]drivers.Outcome{true: drivers.Rejected, false: drivers.Acked}[i == 0]; attempts[i].Outcome != want {
			t.Errorf("operation %d: %+v", i, attempts[i])
		}
	}
}

// A fresh cluster has no coordinator of transactions yet: opening waits for it, and ends with its context.
func TestTransactionsOnFreshBrokers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	var asked atomic.Int64
	var ready atomic.Bool
	c.ControlKey(int16(kmsg.FindCoordinator), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if asked.Add(1); ready.Load() {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.FindCoordinatorResponse)
		answer.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return answer, nil, true
	})
	config := Config{Brokers: brokers(c), Topic: topic, Transactions: &Transactions{Records: 10}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := config.Open(ctx, newEnv())
		ended <- err
	}()
	eventually(t, "the search for a coordinator", func() bool { return asked.Load() > 1 })
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, drivers.ErrUnreachable) {
			t.Errorf("opening was cancelled: %v", err)
		}
	case <-time.After(testPatience):
		t.Fatal("opening does not end with its context")
	}
	time.AfterFunc(300*time.Millisecond, func() { ready.Store(true) })
	d := openDriver(t, c, config, newEnv())
	for _, at := range send(t, d, 0, 20, testPatience, 0) {
		if at.Outcome != drivers.Acked {
			t.Errorf("%+v", at)
		}
	}
}

// The coordinator is lost while a commit waits for it. The driver closes all the same.
func TestCloseWhileNoCoordinatorIsFound(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	d := openDriver(t, c, Config{Transactions: &Transactions{Records: 10}}, newEnv())
	var asked atomic.Int64
	c.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		answer := r.ResponseKind().(*kmsg.EndTxnResponse)
		answer.ErrorCode = kerr.NotCoordinator.Code
		return answer, nil, true
	})
	c.ControlKey(int16(kmsg.FindCoordinator), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked.Add(1)
		answer := r.ResponseKind().(*kmsg.FindCoordinatorResponse)
		answer.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return answer, nil, true
	})
	for _, at := range send(t, d, 0, 10, time.Second, 0) {
		if at.Outcome != drivers.Indeterminate {
			t.Errorf("%+v", at)
		}
	}
	eventually(t, "the search for a coordinator", func() bool { return asked.Load() > 1 })
	closed := make(chan struct{})
	go func() { d.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(testPatience):
		t.Fatal("closing waits for the coordinator")
	}
}
