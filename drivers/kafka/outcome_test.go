package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

func TestFailed(t *testing.T) {
	const notLeader, timedOut = 6, 7
	none, hidden := wireHistory{}, wireHistory{sent: 3, answered: 3, refused: 3, code: notLeader, first: 5}
	tests := []struct {
		name     string
		history  wireHistory
		err      error
		closing  bool
		outcome  drivers.Outcome
		code     string
		answered bool
	}{
		{"never left", none, io.EOF, false, drivers.Rejected, drivers.CodeRefused, false},
		{"never left, another record's answer", none, sarama.ErrRequestTimedOut, false, drivers.Rejected, drivers.CodeRefused, false},
		{"no such host", none, &net.DNSError{}, false, drivers.Rejected, drivers.CodeDNS, false},
		{"too large for the client", none, sarama.ConfigurationError("x"), false, drivers.Rejected, codeClient, false},
		{"never left, closing", none, io.EOF, true, drivers.Rejected, drivers.CodeCancelled, false},
		{"not seen, but blind", wireHistory{blind: true}, io.EOF, false, drivers.Indeterminate, drivers.CodeClosed, false},
		{"refused", wireHistory{sent: 1, answered: 1, refused: 1, code: notLeader}, sarama.ErrNotLeaderForPartition, false, drivers.Rejected, "kafka_not_leader_or_follower", true},
		{"refused three times", hidden, sarama.ErrNotLeaderForPartition, false, drivers.Rejected, "kafka_not_leader_or_follower", true},
		{"refused, but blind", wireHistory{sent: 1, answered: 1, refused: 1, code: notLeader, blind: true}, sarama.ErrNotLeaderForPartition, false, drivers.Indeterminate, "kafka_not_leader_or_follower", true},
		{"one unanswered, then refused", wireHistory{sent: 2, answered: 1, refused: 1, code: notLeader}, sarama.ErrNotLeaderForPartition, false, drivers.Indeterminate, "kafka_not_leader_or_follower", false},
		{"timed out at the broker", wireHistory{sent: 1, answered: 1, code: timedOut}, sarama.ErrRequestTimedOut, false, drivers.Indeterminate, "kafka_request_timed_out", true},
		{"connection gone", wireHistory{sent: 1}, io.EOF, false, drivers.Indeterminate, drivers.CodeClosed, false},
		{"closing under a request", wireHistory{sent: 1}, io.EOF, true, drivers.Indeterminate, drivers.CodeCancelled, false},
	}
	for _, test := range tests {
		var at drivers.Attempt
		test.history.failed(&at, test.err, test.closing)
		onWire := test.history.sent > 0 || test.history.blind
		if at.Outcome != test.outcome || at.Code != test.code || at.Answered != test.answered || at.Wire != onWire || at.Hidden != int(max(0, test.history.sent-1)) {
			t.Errorf("%s: %+v", test.name, at)
		}
	}
}

func TestExpired(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	tests := []struct {
		name        string
		history     wireHistory
		cause, dial error
		held        bool
		outcome     drivers.Outcome
		code        string
	}{
		{"waiting", wireHistory{}, context.DeadlineExceeded, refused, false, drivers.Rejected, drivers.CodeRefused},
		{"waiting, no such host", wireHistory{}, context.DeadlineExceeded, &net.DNSError{}, false, drivers.Rejected, drivers.CodeDNS},
		{"waiting, with a connection", wireHistory{}, context.DeadlineExceeded, nil, false, drivers.Rejected, drivers.CodeTimeout},
		{"waiting, cancelled", wireHistory{}, context.Canceled, nil, false, drivers.Rejected, drivers.CodeCancelled},
		{"in a batch", wireHistory{}, context.DeadlineExceeded, nil, true, drivers.Indeterminate, drivers.CodeTimeout},
		{"sent", wireHistory{sent: 2}, context.DeadlineExceeded, nil, true, drivers.Indeterminate, drivers.CodeTimeout},
		{"refused so far", wireHistory{sent: 1, answered: 1, refused: 1}, context.DeadlineExceeded, nil, true, drivers.Indeterminate, drivers.CodeTimeout},
		{"cancelled", wireHistory{sent: 1}, context.Canceled, nil, true, drivers.Indeterminate, drivers.CodeCancelled},
	}
	for _, test := range tests {
		var at drivers.Attempt
		test.history.expired(&at, test.cause, test.dial, test.held)
		if at.Outcome != test.outcome || at.Code != test.code || at.Answered || at.Wire != test.held || at.Hidden != int(max(0, test.history.sent-1)) {
			t.Errorf("%s: %+v", test.name, at)
		}
	}
}

func TestCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		code string
	}{
		{sarama.ErrNotEnoughReplicasAfterAppend, "kafka_not_enough_replicas_after_append"},
		{fmt.Errorf("x: %w", sarama.ErrTopicAuthorizationFailed), "kafka_topic_authorization_failed"},
		{sarama.KError(9999), "kafka_unknown_server_error"},
		{sarama.PacketDecodingError{}, drivers.CodeMalformed},
		{sarama.ErrIncompleteResponse, drivers.CodeMalformed},
		{syscall.ECONNREFUSED, drivers.CodeRefused},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, drivers.CodeReset},
		{os.ErrDeadlineExceeded, drivers.CodeTimeout},
		{io.ErrUnexpectedEOF, drivers.CodeClosed},
		{net.ErrClosed, drivers.CodeClosed},
		{sarama.ErrShuttingDown, drivers.CodeCancelled},
		{errors.New("x"), drivers.CodeReset},
	} {
		if got := codeOf(test.err); got != test.code {
			t.Errorf("%v: %s, want %s", test.err, got, test.code)
		}
	}
}

// A record whose transmission, or a later one, met no file descriptor was not sent by the run's own doing. What a broker keeps unanswered is not.
func TestShortages(t *testing.T) {
	full := &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	none := fmt.Errorf("%w: %w", sarama.ErrOutOfBrokers, full)
	failed := func(h wireHistory, err error) (at drivers.Attempt) { h.failed(&at, err, false); return at }
	expired := func(h wireHistory, dial error) (at drivers.Attempt) {
		h.expired(&at, context.DeadlineExceeded, dial, true)
		return at
	}
	for name, test := range map[string]struct {
		at     drivers.Attempt
		unsent bool
	}{
		"never left":                         {failed(wireHistory{}, none), true},
		"refused, then not sent again":       {failed(wireHistory{sent: 1, answered: 1, refused: 1, code: 6}, none), true},
		"connection lost, then not sent":     {failed(wireHistory{sent: 1}, full), true},
		"refused":                            {failed(wireHistory{sent: 1, answered: 1, refused: 1, code: 6}, sarama.ErrNotLeaderForPartition), false},
		"in a batch that waits":              {expired(wireHistory{}, full), true},
		"refused, and waits to be sent":      {expired(wireHistory{sent: 1, answered: 1, refused: 1}, full), true},
		"unanswered":                         {expired(wireHistory{sent: 1}, full), false},
		"in a batch, the broker was refused": {expired(wireHistory{}, syscall.ECONNREFUSED), false},
	} {
		if got := strings.Contains(test.at.Unsent(), "ulimit -n"); got != test.unsent {
			t.Errorf("%s: unsent %t, %+v", name, got, test.at)
		}
	}
}

// A record that its old leader refused, and that is not sent to the new one for want of a file descriptor, is no failure of the target.
func TestRetransmissionWithoutADescriptor(t *testing.T) {
	c := newCluster(t, 1)
	env := newEnv()
	var full atomic.Bool
	env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if full.Load() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("socket", syscall.EMFILE)}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	retries := 2
	d := openDriver(t, c, Config{Retries: &retries, Backoff: time.Millisecond}, env)
	if at := sendOne(t, d, 0, testPatience); at.Outcome != drivers.Acked {
		t.Fatalf("%+v", at)
	}
	full.Store(true)
	if err := c.MoveTopicPartition(topic, 0, (c.LeaderFor(topic, 0)+1)%3); err != nil {
		t.Fatal(err)
	}
	if at := sendOne(t, d, 1, testPatience); at.Outcome != drivers.Rejected || !at.Wire || !strings.Contains(at.Unsent(), "ulimit -n") {
		t.Errorf("%q: %+v", at.Unsent(), at)
	}
}

// An attempt that ended does not change, whatever the producer reports later.
func TestEndsOnce(t *testing.T) {
	d := &Driver{pending: newPendingRecords(), network: newNetwork(nil, time.Second, nil)}
	defer d.network.close()
	var at drivers.Attempt
	calls := 0
	r := &pendingRecord{at: &at, done: func() { calls++ }}
	r.message.Metadata = r
	d.pending.inFlight.Add(1)
	d.pending.add(r)
	d.expire(context.DeadlineExceeded, r)
	said := at
	d.returned(&r.message, nil)
	if calls != 1 || at != said || at.Outcome != drivers.Rejected {
		t.Errorf("%d calls, %+v, then %+v", calls, said, at)
	}
	if left := d.pending.remaining(); len(left) != 0 {
		t.Errorf("%d records left", len(left))
	}
	if _, err := (*valueEncoder)(r).Encode(); err == nil {
		t.Error("a cancelled record can still be put into a batch")
	}
}

// The first ack of a record that was sent twice ends the attempt, and sets the offset. Later answers change nothing.
func TestAckedOnce(t *testing.T) {
	p := newPendingRecords()
	p.wired = true
	r := &pendingRecord{ref: ref{seq: 1}}
	p.add(r)
	carries := []partitionRefs{{partition: 3, refs: []ref{{seq: 9}, r.ref}}}
	first, second := p.transmitting(9, carries, new(brokerCounter), 1), p.transmitting(9, carries, new(brokerCounter), 2)
	if acked := p.answer(first, []partitionAnswer{{partition: 3, offset: 40}}); len(acked) != 1 || acked[0] != r {
		t.Fatalf("acked %v", acked)
	}
	if acked := p.answer(second, []partitionAnswer{{partition: 3, offset: 50}}); len(acked) != 0 {
		t.Errorf("acked again: %v", acked)
	}
	p.recall(second)
	if r.offset != 41 || r.history.answered != 1 || r.history.sent != 2 {
		t.Errorf("at offset %d, want 41; %+v", r.offset, r.history)
	}
}
