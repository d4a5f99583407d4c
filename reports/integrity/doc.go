// Package integrity decides what became of a stream's operations: what was lost, what showed up more than once, what
// showed up that must not, and what came out of order. A Ledger is told of every operation that is over and of every
// delivery that a source observed, in any interleaving, and comes to the same counts whichever came first.
//
// # The checks
//
// An operation was sent when it ended acked, rejected or indeterminate. Seen counts sent operations that were delivered
// at least once.
//
//   - lost: acked, and not seen when observation was over. While running it is a gauge, unseen; at the end of a complete
//     observation unseen is 0 and lost is the verdict, at the end of an incomplete one lost is unknown and unseen stays.
//   - recovered: indeterminate, yet seen. Benign.
//   - phantom: rejected, yet seen.
//   - unexpected: of this run and stream, and never sent: dropped, or never planned. Counted once each, in the window in
//     which it was due if it was planned, else in that in which it was first seen. None of the other checks looks at it.
//   - foreign: a delivery with no identity, or with one of another run or stream. In the window in which it was seen.
//   - log duplicate, effect duplicate (the stream's own log, or the place of its effects): a sent operation at more than
//     one position, or of a queue: in more than one record. extra_copies counts the positions beyond the first. max_copies is the largest number of positions of
//     one operation: 1 when nothing is there twice, 0 when nothing was seen.
//   - redelivered: a delivery at a position that was delivered before (this is no copy), or a copy whose origin, the
//     message that it was made from, had made an effect before. An origin names one message, a position one record.
//     Where a source has no positions, as a queue, a delivery is a record of its own unless the broker says that it handed
//     the record out before (Delivery.Redelivered): it then is redelivered, and no copy. log_duplicates of a queue therefore
//     counts the operations of which the queue held several records. Where a position is known, the position decides what
//     is a copy, and a mark only adds to redelivered.
//   - order violation, Sequential: an operation first seen after one of its scope with a higher number. The scope is the
//     key, or without keys the producer in the partition. Told once per operation that came late.
//   - order violation, RealTime (linearizability's order, Herlihy and Wing 1990, and no more than that): A was acked
//     before B of the same key was sent, and B was first seen before A. Told once per A. Calls that overlap have no order.
//   - ack collision, Log: an operation whose ack named a place in the log that another's ack had named: one record can
//     stand there, so that the other was deduplicated away, or truncated and its offset given anew. Acks alone decide,
//     while the run goes on and without reading the log. In the window of the operation that was told later.
//   - regression, Sequential: a delivery with a lower number than the one before it in its scope, replays included.
//
// Order is compared within one partition, that of the key's first delivery: between partitions nobody observes an order.
// When a key's deliveries come from several, what was found in that one stands, and finding nothing is unknown. Without
// positions the order is that in which the queue hands out. A record that it hands out again takes no part; where it is the
// first that was seen of its operation, finding nothing is unknown.
//
// A count belongs to the window in which the operation was due. Operations of the warm-up take part in every comparison
// and are counted nowhere.
//
// # Cost
//
// An operation is one bit for acked and one for seen; pages of 4,096 operations keep more bits only where there is more to
// tell (other outcomes, copies, a border of windows), and none for what holds for the whole page. Positions are one bit
// each until a page of them is there. So a hundred million operations take about 10 MB where all is well, 25 MB with 1 %
// lost, and some 60 MB, five bits each, were every page to hold unseen, indeterminate and copied operations and gaps in the
// offsets at once. Each key, or partition, has 32 bytes. An event costs 20 to 30 ns of one core where nobody else uses its
// caches (BenchmarkLedger). Nothing is scanned but at Finish.
//
// What would need more is bounded, and a bound that was hit makes unknown what hangs on it, never 0: see limits.
package integrity
