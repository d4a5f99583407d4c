package kafka

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// codeClient is the code of a record that the client library refuses to send: the record exceeds the library's limits.
const codeClient = "kafka_client"

// refusals are the error codes that prove that the broker did not append. Codes that can also follow a (partial) append are
// not listed: REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS_AFTER_APPEND, KAFKA_STORAGE_ERROR, UNKNOWN_SERVER_ERROR.
var refusals = refusedCodes(
	kerr.CorruptMessage, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition,
	kerr.MessageTooLarge, kerr.InvalidTopicException, kerr.RecordListTooLarge, kerr.NotEnoughReplicas,
	kerr.InvalidRequiredAcks, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
	kerr.TransactionalIDAuthorizationFailed, kerr.InvalidTimestamp, kerr.UnsupportedVersion, kerr.InvalidRequest,
	kerr.UnsupportedForMessageFormat, kerr.PolicyViolation, kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch,
	kerr.InvalidTxnState, kerr.InvalidProducerIDMapping, kerr.UnknownProducerID, kerr.FencedLeaderEpoch,
	kerr.UnsupportedCompressionType, kerr.InvalidRecord, kerr.ProducerFenced, kerr.UnknownTopicID,
)

func refusedCodes(all ...*kerr.Error) map[int16]bool {
	m := make(map[int16]bool, len(all))
	for _, e := range all {
		m[e.Code] = true
	}
	return m
}

// wireHistory is what the driver's own connections saw of one record. A transmission is a Produce request with the record
// that was sent, at least in part.
type wireHistory struct {
	first    time.Duration // when the first transmission was about to be sent, on the run's clock
	sent     int32         // transmissions
	answered int32         // transmissions that the broker answered
	refused  int32         // transmissions that the broker did not append
	code     int16         // of the last answer
	blind    bool          // a request could not be parsed: the counts prove nothing
}

// writeTo writes the known facts about the transmissions into at, for any outcome.
func (h wireHistory) writeTo(at *drivers.Attempt) {
	at.Wire = h.sent > 0
	at.Hidden = int(max(0, h.sent-1))
	if h.sent > 0 {
		at.Sent = h.first
	}
}

// failed sets the outcome of an attempt whose record sarama gave back with err. sarama's error describes the last event,
// perhaps of another record in the batch. The wire history decides whether the record may have been appended:
//
//   - never transmitted: not appended;
//   - every transmission refused before the append: not appended;
//   - anything else, even one unanswered transmission before a refused one: maybe appended.
func (h wireHistory) failed(at *drivers.Attempt, err error, closing bool) {
	h.writeTo(at)
	code := codeOf(err)
	if closing {
		code = drivers.CodeCancelled
	}
	switch {
	case h.sent == 0 && !h.blind:
		if !closing && code != drivers.CodeDNS && code != drivers.CodeTLS && code != codeClient && code != answerCode(kerr.MessageTooLarge.Code) {
			code = drivers.CodeRefused
		}
		at.Fail(drivers.Rejected, code, "the record never left the client: "+err.Error())
	case h.sent > 0 && h.refused == h.sent && !h.blind:
		at.Cut = isShortage(err)
		at.Answered = !at.Cut
		at.Fail(drivers.Rejected, answerCode(h.code), err.Error())
	default:
		at.Wire, at.Cut = true, isShortage(err)
		if h.sent > 0 && h.answered == h.sent && h.code != 0 && !at.Cut {
			at.Answered, code = true, answerCode(h.code)
		}
		at.Fail(drivers.Indeterminate, code, err.Error())
	}
}

// expired sets the outcome of an attempt whose context ended before sarama gave its record back. held says that the record
// is in a batch: then it cannot be called back, and may still be sent.
func (h wireHistory) expired(at *drivers.Attempt, cause, dial error, held bool) {
	cancelled := !errors.Is(cause, context.DeadlineExceeded)
	if !held {
		neverLeft(at, dial)
		switch {
		case cancelled:
			at.Code = drivers.CodeCancelled
		case dial == nil:
			at.Code = drivers.CodeTimeout // there is a connection, but earlier requests were not answered
		}
		return
	}
	h.writeTo(at)
	at.Wire = true
	code, detail := drivers.CodeTimeout, "no answer in time"
	if cancelled {
		code, detail = drivers.CodeCancelled, "the attempt was cancelled"
	}
	if h.sent == 0 {
		detail += "; the record waits in the client's buffer"
	}
	if h.answered == h.sent && isShortage(dial) {
		at.Cut = true
		detail += ": " + dial.Error()
	}
	at.Fail(drivers.Indeterminate, code, detail)
}

// isShortage says that a transmission was not made because this machine ran out of something.
func isShortage(err error) bool { return err != nil && drivers.Shortage(err.Error()) != "" }

// neverLeft sets the outcome of an attempt whose record was in no batch, and never will be, for lack of a connection. dial
// is the error of the last dial, nil if it succeeded.
func neverLeft(at *drivers.Attempt, dial error) {
	at.Fail(drivers.Rejected, drivers.CodeRefused, "the record never left the client: it could not be sent in time")
	if dial != nil {
		switch code := codeOf(dial); code {
		case drivers.CodeDNS, drivers.CodeTLS, drivers.CodeTimeout:
			at.Code = code
		}
		at.Detail = "the record never left the client: " + dial.Error()
	}
}

// answerCode names a broker's error code: kafka_not_leader_or_follower.
func answerCode(code int16) string {
	if code == kerr.NotLeaderForPartition.Code {
		return "kafka_not_leader_or_follower" // Kafka's name for this code since 2.6
	}
	e := kerr.TypedErrorForCode(code)
	if e == nil {
		e = kerr.UnknownServerError
	}
	return "kafka_" + strings.TrimPrefix(strings.ToLower(e.Message), "kafka_")
}

// ownCodes lists the codes of brokers' answers, and those of the client's own.
func ownCodes() []string {
	all := []string{codeClient, codeAborted}
	for code := int16(-1); code < pastCodes; code++ {
		if code != 0 && (code == kerr.UnknownServerError.Code || kerr.TypedErrorForCode(code) != nil) {
			all = append(all, answerCode(code))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// pastCodes is above every error code of the protocol.
const pastCodes = 1000

// codeOf is the short code for an error of sarama's.
func codeOf(err error) string {
	var kafka sarama.KError
	var config sarama.ConfigurationError
	var decoding sarama.PacketDecodingError
	var encoding sarama.PacketEncodingError
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.As(err, &config) && strings.Contains(err.Error(), "MaxMessageBytes"):
		return answerCode(kerr.MessageTooLarge.Code) // the topic's limit; see batchLimit
	case errors.As(err, &kafka):
		return answerCode(int16(kafka))
	case errors.As(err, &config), errors.As(err, &encoding):
		return codeClient
	case errors.As(err, &decoding), errors.Is(err, sarama.ErrIncompleteResponse), errors.Is(err, sarama.ErrInsufficientData):
		return drivers.CodeMalformed
	case errors.Is(err, tlsconfig.ErrHandshake) && !drivers.IsTimeout(err):
		return drivers.CodeTLS
	case errors.As(err, &dns):
		return drivers.CodeDNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return drivers.CodeRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return drivers.CodeReset
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &network) && network.Timeout():
		return drivers.CodeTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return drivers.CodeClosed
	case errors.Is(err, sarama.ErrShuttingDown):
		return drivers.CodeCancelled
	}
	return drivers.CodeReset
}
