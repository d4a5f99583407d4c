package witness

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
)

// recordBound bounds the records of a Produce request whose identities are kept. A request with more is identified in part.
const recordBound = 1 << 14

// decompressor is safe for concurrent use, and keeps its memory.
var decompressor = kgo.DefaultDecompressor()

// produced takes the records of a Produce request: the identity of each, and the trace where there is one record. b begins behind
// the correlation id. What cannot be read has no identity.
func (l *link) produced(x *exchange, version int16, b []byte) {
	request := kmsg.NewPtrProduceRequest()
	if version > request.MaxVersion() {
		return
	}
	request.SetVersion(version)
	r := kbin.Reader{Src: b}
	r.UnsafeNullableString() // the client id
	if request.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if !r.Ok() || request.UnsafeReadFrom(r.Src) != nil {
		return
	}
	n := 0
	for i := range request.Topics {
		for j := range request.Topics[i].Partitions {
			got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{DisableCRCValidation: true},
				&kmsg.FetchResponseTopicPartition{RecordBatches: request.Topics[i].Partitions[j].Records}, decompressor, nil)
			if got.Err != nil || n+len(got.Records) > recordBound {
				x.Partly = true
				return
			}
			for _, record := range got.Records {
				l.record(x, record)
				n++
			}
		}
	}
	if x.Partly = n == 0 || n > 1 && x.Partly; n > 1 {
		x.Trace = drivers.TraceID{} // it is of one record
	}
}

// record takes one record of a request.
func (l *link) record(x *exchange, r *kgo.Record) {
	one := exchange{}
	for _, h := range r.Headers {
		l.header(&one, []byte(h.Key), h.Value)
	}
	if l.place.inBody() && !one.encoded && len(r.Value) <= bodyBound {
		one.identify(l.place.find(r.Value, true, &x.scratch))
	}
	x.Trace = one.Trace
	switch {
	case len(one.ID) == 0:
		x.Partly = true
	case len(x.ID) == 0:
		x.identify(one.ID)
	default:
		x.More = append(x.More, one.ID)
	}
}
