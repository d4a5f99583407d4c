package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

func TestFailed(t *testing.T) {
	const notLeader, timedOut = 6, 7
	none, hidden := passage{}, passage{sent: 3, answered: 3, refused: 3, code: notLeader, first: 5}
	tests := []struct {
		name     string
		passage  passage
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
		{"not seen, but blind", passage{blind: true}, io.EOF, false, drivers.Indeterminate, drivers.CodeClosed, false},
		{"refused", passage{sent: 1, answered: 1, refused: 1, code: notLeader}, sarama.ErrNotLeaderForPartition, false, drivers.Rejected, "kafka_not_leader_or_follower", true},
		{"refused three times", hidden, sarama.ErrNotLeaderForPartition, false, drivers.Rejected, "kafka_not_leader_or_follower", true},
		{"refused, but blind", passage{sent: 1, answered: 1, refused: 1, code: notLeader, blind: true}, sarama.ErrNotLeaderForPartition, false, drivers.Indeterminate, "kafka_not_leader_or_follower", true},
		{"one unanswered, then refused", passage{sent: 2, answered: 1, refused: 1, code: notLeader}, sarama.ErrNotLeaderForPartition, false, drivers.Indeterminate, "kafka_not_leader_or_follower", false},
		{"timed out at the broker", passage{sent: 1, answered: 1, code: timedOut}, sarama.ErrRequestTimedOut, false, drivers.Indeterminate, "kafka_request_timed_out", true},
		{"connection gone", passage{sent: 1}, io.EOF, false, drivers.Indeterminate, drivers.CodeClosed, false},
		{"closing under a request", passage{sent: 1}, io.EOF, true, drivers.Indeterminate, drivers.CodeCancelled, false},
	}
	for _, test := range tests {
		var at drivers.Attempt
		test.passage.failed(&at, test.err, test.closing)
		wire := test.passage.sent > 0 || test.passage.blind
		if at.Outcome != test.outcome || at.Code != test.code || at.Answered != test.answered || at.Wire != wire || at.Hidden != int(max(0, test.passage.sent-1)) {
			t.Errorf("%s: %+v", test.name, at)
		}
	}
}

func TestOverdue(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	tests := []struct {
		name        string
		passage     passage
		cause, dial error
		held        bool
		outcome     drivers.Outcome
		code        string
	}{
		{"waiting", passage{}, context.DeadlineExceeded, refused, false, drivers.Rejected, drivers.CodeRefused},
		{"waiting, no such host", passage{}, context.DeadlineExceeded, &net.DNSError{}, false, drivers.Rejected, drivers.CodeDNS},
		{"waiting, with a connection", passage{}, context.DeadlineExceeded, nil, false, drivers.Rejected, drivers.CodeTimeout},
		{"waiting, cancelled", passage{}, context.Canceled, nil, false, drivers.Rejected, drivers.CodeCancelled},
		{"in a batch", passage{}, context.DeadlineExceeded, nil, true, drivers.Indeterminate, drivers.CodeTimeout},
		{"sent", passage{sent: 2}, context.DeadlineExceeded, nil, true, drivers.Indeterminate, drivers.CodeTimeout},
		{"refused so far", passage{sent: 1, answered: 1, refused: 1}, context.DeadlineExceeded, nil, true, drivers.Indeterminate, drivers.CodeTimeout},
		{"cancelled", passage{sent: 1}, context.Canceled, nil, true, drivers.Indeterminate, drivers.CodeCancelled},
	}
	for _, test := range tests {
		var at drivers.Attempt
		test.passage.overdue(&at, test.cause, test.dial, test.held)
		if at.Outcome != test.outcome || at.Code != test.code || at.Answered || at.Wire != test.held || at.Hidden != int(max(0, test.passage.sent-1)) {
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

// An attempt that ended keeps what it said, whatever the producer says later.
func TestEndsOnce(t *testing.T) {
	d := &Driver{flights: newFlights(), network: newNetwork(nil, time.Second)}
	defer d.network.close()
	var at drivers.Attempt
	calls := 0
	f := &flight{at: &at, done: func() { calls++ }}
	f.message.Metadata = f
	d.flights.inFlight.Add(1)
	d.flights.enter(f)
	d.overdue(context.DeadlineExceeded, f)
	said := at
	d.returned(&f.message, nil)
	if calls != 1 || at != said || at.Outcome != drivers.Rejected {
		t.Errorf("%d calls, %+v, then %+v", calls, said, at)
	}
	if left := d.flights.remaining(); len(left) != 0 {
		t.Errorf("%d flights left", len(left))
	}
	if _, err := (*valueEncoder)(f).Encode(); err == nil {
		t.Error("a withdrawn record can still be put into a batch")
	}
}

// A record that went out twice is acked by the first answer that does so, at the place which that one gives; what a later
// answer says of it changes nothing.
func TestAckedOnce(t *testing.T) {
	s := newFlights()
	s.wired = true
	f := &flight{ref: ref{seq: 1}}
	s.enter(f)
	carries := []carried{{partition: 3, refs: []ref{{seq: 9}, f.ref}}}
	first, second := s.departing(9, carries, new(wire), 1), s.departing(9, carries, new(wire), 2)
	if acked := s.answer(first, []verdict{{partition: 3, offset: 40}}); len(acked) != 1 || acked[0] != f {
		t.Fatalf("acked %v", acked)
	}
	if acked := s.answer(second, []verdict{{partition: 3, offset: 50}}); len(acked) != 0 {
		t.Errorf("acked again: %v", acked)
	}
	s.recall(second)
	if f.offset != 41 || f.passage.answered != 1 || f.passage.sent != 2 {
		t.Errorf("at offset %d, want 41; %+v", f.offset, f.passage)
	}
}
