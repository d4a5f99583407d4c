package integrity

import (
	"math"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// story is a history written by hand.
type story struct {
	name   string
	order  Order
	mode   Mode
	keys   uint64 // 0: none
	ended  []reports.Ended
	seen   []drivers.Delivery
	blind  string // the reason why observation was not complete
	want   string // the counts of the total that are not 0; "name=?" stands for an unknown count
	where  string // the windows of the anomalies: "kind:window/seq"
	phrase string // text that some entry's why contains
}

const (
	ack = drivers.Acked
	rej = drivers.Rejected
	ind = drivers.Indeterminate
	drp = drivers.Unknown
)

var stories = []story{
	{
		name: "honest", order: Sequential,
		ended: []reports.Ended{op(0, -50, ack), op(1, 100, ack), op(2, 200, rej), op(3, 300, ind), op(4, 400, drp), op(5, 15000, ack)},
		seen:  []drivers.Delivery{at(0, 0, 0, -40), at(1, 0, 1, 110), at(3, 0, 2, 310), at(5, 0, 3, 15010)},
		want:  "acked=2 max_copies=1 recovered=1 seen=3",
	},
	{
		name: "nothing", order: Sequential, want: "",
	},
	{
		name:  "lost",
		ended: []reports.Ended{op(1, 100, ack), op(2, 12000, ack), op(3, 13000, ind), op(4, 21000, ack)},
		seen:  []drivers.Delivery{at(1, 0, 0, 110), at(4, 0, 1, 21000)},
		want:  "acked=3 lost=1 max_copies=1 seen=2", where: "lost:fault/2",
		phrase: "acked at 12.005 s, not seen by the end of the drain",
	},
	{
		name: "unseen, not lost, when observation was not complete", blind: "the log was not read to its end", order: Sequential,
		ended: []reports.Ended{op(1, 100, ack), op(2, 12000, ack)},
		seen:  []drivers.Delivery{at(1, 0, 0, 110), at(1, 0, 7, 120)},
		want: "acked=2 effect_duplicates=1 extra_copies=1 foreign=? lost=? max_copies=2 order_violations=? phantom=? recovered=? redelivered=? " +
			"regressions=? seen=1 unexpected=? unseen=1",
		where: "effect_duplicate:baseline/1",
	},
	{
		name:  "the warm-up is not measured",
		ended: []reports.Ended{op(0, -300, ack), op(1, -200, rej), op(2, -100, ack)},
		seen:  []drivers.Delivery{at(1, 0, 0, -90), at(2, 0, 1, -80), at(2, 0, 2, 50)},
		want:  "",
	},
	{
		name:  "phantom",
		ended: []reports.Ended{op(1, 15000, rej)},
		seen:  []drivers.Delivery{at(1, 0, 0, 25000)},
		want:  "max_copies=1 phantom=1 seen=1", where: "phantom:fault/1", phrase: "rejected at 15.005 s, yet seen at 25 s",
	},
	{
		name:  "unexpected: dropped, and never planned",
		ended: []reports.Ended{op(1, 15000, drp), op(2, 15001, ack)},
		seen:  []drivers.Delivery{at(1, 0, 0, 25000), at(9, 0, 1, 15050), at(9, 0, 2, 25000), at(math.MaxUint64, 0, 3, 100), at(math.MaxUint64, 0, 4, 101), at(2, 0, 5, 25000)},
		want:  "acked=1 max_copies=1 seen=1 unexpected=3",
		where: "unexpected:baseline/18446744073709551615 unexpected:fault/1 unexpected:fault/9", phrase: "seen at 15.05 s, and no such operation was planned",
	},
	{
		name:  "foreign",
		ended: []reports.Ended{op(1, 100, ack)},
		seen: []drivers.Delivery{
			at(1, 0, 0, 110), {ID: theirs.Append(nil, 1), Position: drivers.PositionIn(0, 1), At: time.Second}, {Position: drivers.PositionIn(0, 2), At: time.Second}, {ID: []byte("r1.orders.01"), Position: drivers.PositionIn(0, 3)},
			{ID: []byte("r1.orders.1"), Position: drivers.PositionIn(0, 0)}, {At: -time.Second},
		},
		want: "acked=1 foreign=3 max_copies=1 redelivered=1 seen=1", where: "redelivered:baseline/1",
	},
	{
		name: "log duplicate: three positions are one duplicate", mode: Log,
		ended: []reports.Ended{op(1, 15000, ack)},
		seen:  []drivers.Delivery{at(1, 0, 5, 15010), at(1, 0, 6, 15020), at(1, 2, 5, 25000)},
		want:  "acked=1 extra_copies=2 log_duplicates=1 max_copies=3 seen=1", where: "log_duplicate:fault/1",
		phrase: "partition 2, offset 5",
	},
	{
		name:  "redelivered: the same position again is no copy",
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack)},
		seen:  []drivers.Delivery{at(1, 0, 5, 110), at(2, 0, 6, 210), at(1, 0, 5, 310), at(2, 0, 6, 320), at(1, 0, 5, 330)},
		want:  "acked=2 max_copies=1 redelivered=3 seen=2", where: "redelivered:baseline/1 redelivered:baseline/2",
		phrase: "partition 0, offset 5 was delivered again at 0.33 s",
	},
	{
		name:  "effect duplicates, of which one shows a redelivery upstream",
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack)},
		seen: []drivers.Delivery{
			from(at(1, 0, 5, 110), "3/17"), from(at(2, 0, 6, 210), "3/18"), from(at(1, 0, 7, 310), "3/17"), from(at(2, 0, 8, 320), "3/19"),
		},
		want:   "acked=2 effect_duplicates=2 extra_copies=2 max_copies=2 redelivered=1 seen=2",
		where:  "effect_duplicate:baseline/1 effect_duplicate:baseline/2 redelivered:baseline/1",
		phrase: "applied again at 0.31 s from the same origin 3/17",
	},
	{
		name:  "an origin that is no position",
		ended: []reports.Ended{op(1, 100, ack)},
		seen:  []drivers.Delivery{from(at(1, 0, 5, 110), "msg-a"), from(at(1, 0, 6, 120), "msg-a"), from(at(1, 0, 7, 130), "msg-b")},
		want:  "acked=1 effect_duplicates=1 extra_copies=2 max_copies=3 redelivered=1 seen=1", where: "effect_duplicate:baseline/1 redelivered:baseline/1",
	},
	{
		name: "order in sequence, by partition", order: Sequential, mode: Log,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack), op(3, 300, ack), op(4, 400, ack), op(5, 12000, ack)},
		seen:  []drivers.Delivery{at(1, 0, 0, 1), at(5, 0, 1, 2), at(2, 1, 0, 3), at(3, 0, 2, 4), at(4, 0, 3, 5)},
		want:  "acked=5 max_copies=1 order_violations=2 regressions=1 seen=5", where: "order_violation:baseline/3 order_violation:baseline/4",
		phrase: "first seen after operation 5 of its partition, which was sent later",
	},
	{
		name: "order in sequence, by key", order: Sequential, mode: Log, keys: 2,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack), op(3, 300, ack), op(4, 400, ack)},
		seen:  []drivers.Delivery{at(2, 0, 0, 1), at(1, 0, 1, 2), at(4, 0, 2, 3), at(3, 0, 3, 4)},
		want:  "acked=4 max_copies=1 seen=4",
	},
	{
		name: "a replay is a regression, and no order violation", order: Sequential, mode: Log,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack), op(3, 300, ack)},
		seen:  []drivers.Delivery{at(1, 0, 0, 1), at(2, 0, 1, 2), at(1, 0, 0, 3), at(2, 0, 1, 4), at(3, 0, 2, 5)},
		want:  "acked=3 max_copies=1 redelivered=2 regressions=1 seen=3", where: "redelivered:baseline/1 redelivered:baseline/2",
	},
	{
		name: "an invented operation is in no order", order: Sequential, mode: Log,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack), op(3, 300, drp)},
		seen:  []drivers.Delivery{at(1<<40, 0, 0, 1), at(77, 0, 1, 1), at(3, 0, 2, 2), at(1, 0, 3, 2), at(2, 0, 4, 3)},
		want:  "acked=2 max_copies=1 seen=2 unexpected=3", where: "unexpected:baseline/3 unexpected:baseline/77 unexpected:baseline/1099511627776",
	},
	{
		name: "order in real time", order: RealTime, keys: 1,
		ended: []reports.Ended{op(1, 100, ack), op(2, 12000, ack)},
		seen:  []drivers.Delivery{at(2, 0, 0, 12100), at(1, 0, 1, 12200)},
		want:  "acked=2 max_copies=1 order_violations=1 seen=2", where: "order_violation:baseline/1",
		phrase: "acked at 0.105 s, before operation 2 of its key was sent at 12 s, yet seen after it",
	},
	{
		name: "calls that overlap have no order", order: RealTime, keys: 1,
		ended: []reports.Ended{op(1, 100, ack), op(2, 103, ack), op(3, 105, ack)},
		seen:  []drivers.Delivery{at(3, 0, 0, 110), at(2, 0, 1, 111), at(1, 0, 2, 112)},
		want:  "acked=3 max_copies=1 seen=3",
	},
	{
		name: "what was not acked may come late", order: RealTime, keys: 1,
		ended: []reports.Ended{op(1, 100, ind), op(2, 1000, ind), op(3, 2000, ack)},
		seen:  []drivers.Delivery{at(2, 0, 0, 2110), at(3, 0, 1, 2111), at(1, 0, 2, 2112)},
		want:  "acked=1 max_copies=1 recovered=2 seen=3",
	},
	{
		name: "what was not acked counts as sent", order: RealTime, keys: 1,
		ended: []reports.Ended{op(1, 100, ack), op(2, 1000, ind)},
		seen:  []drivers.Delivery{at(2, 0, 0, 1110), at(1, 0, 1, 1112)},
		want:  "acked=1 max_copies=1 order_violations=1 recovered=1 seen=2", where: "order_violation:baseline/1",
	},
	{
		name: "keys have no order between them", order: RealTime, keys: 2,
		ended: []reports.Ended{op(1, 100, ack), op(2, 1000, ack)},
		seen:  []drivers.Delivery{at(2, 0, 0, 1110), at(1, 0, 1, 1112)},
		want:  "acked=2 max_copies=1 seen=2",
	},
	{
		name: "without keys there is no order in real time", order: RealTime,
		ended: []reports.Ended{op(1, 100, ack), op(2, 1000, ack)},
		seen:  []drivers.Delivery{at(2, 0, 0, 1110), at(1, 0, 1, 1112)},
		want:  "acked=2 max_copies=1 order_violations=? seen=2",
	},
	{
		name: "a key in two partitions has no known order", order: RealTime, keys: 1,
		ended: []reports.Ended{op(1, 100, ack), op(2, 1000, ack)},
		seen:  []drivers.Delivery{at(2, 0, 0, 1110), at(1, 1, 0, 1112)},
		want:  "acked=2 max_copies=1 order_violations=? seen=2",
	},
}

// queueStories use sources that have no positions.
var queueStories = []story{
	{
		name: "a queue: nothing is made of missing positions", order: Sequential, mode: Log,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack), op(3, 300, ind), op(4, 400, rej)},
		seen:  []drivers.Delivery{queued(1, 110), queued(2, 210), queued(3, 310)},
		want:  "acked=2 max_copies=1 recovered=1 seen=3",
	},
	{
		name: "a queue: lost and phantom need no positions", order: Sequential, mode: Log,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, rej)},
		seen:  []drivers.Delivery{queued(2, 210)},
		want:  "acked=1 lost=1 max_copies=1 phantom=1 seen=1", where: "lost:baseline/1 phantom:baseline/2",
	},
	{
		name: "a queue: marked as redelivered is no copy, and in no order", order: Sequential, mode: Log,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack), op(3, 300, ack)},
		seen:  []drivers.Delivery{queued(1, 110), queued(2, 210), marked(queued(1, 310)), queued(3, 320), marked(queued(1, 330))},
		want:  "acked=3 max_copies=1 redelivered=2 seen=3", where: "redelivered:baseline/1",
		phrase: "delivered again at 0.33 s, as the queue says",
	},
	{
		name: "a queue: a copy without the mark is a log duplicate", order: Sequential, mode: Log,
		ended: []reports.Ended{op(1, 15000, ack), op(2, 15100, ack)},
		seen:  []drivers.Delivery{queued(1, 15010), queued(1, 15020), queued(1, 15030), queued(2, 15110)},
		want:  "acked=2 extra_copies=2 log_duplicates=1 max_copies=3 seen=2", where: "log_duplicate:fault/1",
		phrase: "in the queue more than once, the last time at 15.03 s",
	},
	{
		name:  "a queue of effects: a copy without the mark is an effect duplicate, with it a redelivery",
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack)},
		seen:  []drivers.Delivery{queued(1, 110), queued(2, 210), queued(1, 310), marked(queued(2, 320))},
		want:  "acked=2 effect_duplicates=1 extra_copies=1 max_copies=2 redelivered=1 seen=2",
		where: "effect_duplicate:baseline/1 redelivered:baseline/2", phrase: "applied more than once, the last time seen at 0.31 s",
	},
	{
		name:  "a queue of effects: the origin still tells a redelivery upstream",
		ended: []reports.Ended{op(1, 100, ack)},
		seen:  []drivers.Delivery{from(queued(1, 110), "3/17"), from(queued(1, 310), "3/17")},
		want:  "acked=1 effect_duplicates=1 extra_copies=1 max_copies=2 redelivered=1 seen=1",
		where: "effect_duplicate:baseline/1 redelivered:baseline/1", phrase: "from the same origin 3/17",
	},
	{
		name: "a queue: the order is that in which it hands out", order: Sequential, mode: Log,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack)},
		seen:  []drivers.Delivery{queued(2, 210), queued(1, 220)},
		want:  "acked=2 max_copies=1 order_violations=1 regressions=1 seen=2", where: "order_violation:baseline/1",
	},
	{
		name: "a queue: a first sighting with the mark has no place in the order", order: Sequential, mode: Log,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack)},
		seen:  []drivers.Delivery{queued(2, 210), marked(queued(1, 220))},
		want:  "acked=2 max_copies=1 order_violations=? regressions=? seen=2",
	},
	{
		name: "a queue: the same in real time", order: RealTime, keys: 1,
		ended: []reports.Ended{op(1, 100, ack), op(2, 12000, ack)},
		seen:  []drivers.Delivery{queued(2, 12100), marked(queued(1, 12200))},
		want:  "acked=2 max_copies=1 order_violations=? seen=2",
	},
	{
		name:  "a log: the mark says nothing against a position",
		ended: []reports.Ended{op(1, 100, ack)},
		seen:  []drivers.Delivery{at(1, 0, 5, 110), marked(at(1, 0, 6, 120)), marked(at(1, 0, 6, 130))},
		want:  "acked=1 effect_duplicates=1 extra_copies=1 max_copies=2 redelivered=2 seen=1",
		where: "effect_duplicate:baseline/1 redelivered:baseline/1",
	},
	{
		name: "a queue: acks without a place collide with none", mode: Log, order: Sequential,
		ended: []reports.Ended{op(1, 100, ack), op(2, 200, ack)},
		seen:  []drivers.Delivery{queued(1, 110), queued(2, 210)},
		want:  "acked=2 max_copies=1 seen=2",
	},
}
