// Package integrity decides the fate of a stream's operations: lost, seen more than once, seen although rejected, or out of
// order. A Ledger receives every operation that is over and every delivery that a source observed. Any interleaving of the two
// gives the same counts.
//
// # The checks
//
// An operation was sent when it ended acked, rejected or indeterminate. Seen counts sent operations that were delivered at
// least once.
//
//   - lost: acked, and not seen when observation was over. During the run the gauge unseen counts such operations. After a
//     complete observation unseen is 0 and lost is final. After an incomplete one lost is unknown and unseen stays.
//   - recovered: indeterminate, yet seen. Benign.
//   - phantom: rejected, yet seen.
//   - unexpected: of this run and stream, and never sent: dropped, or never planned. Each is counted once: in the window in
//     which it was due if it was planned, otherwise in the window of its first sighting. No other check looks at it.
//   - foreign: a delivery with no identity, or with one of another run or stream. It counts in the window in which it was seen.
//   - log duplicate, effect duplicate (the stream's own log, or the place of its effects): a sent operation at more than one
//     position; in a queue, in more than one record. extra_copies counts the positions beyond the first. max_copies is the
//     largest number of positions of one operation: 1 without duplicates, 0 when nothing was seen.
//   - redelivered: a delivery at a position that was delivered before, which is no copy. Or a copy whose origin, the message
//     from which it was made, had made an effect before. An origin names one message, a position one record. A source without
//     positions, such as a queue, hands out a new record with each delivery. The exception is a delivery that the broker marks
//     as handed out before (Delivery.Redelivered): it is redelivered, and no copy. log_duplicates of a queue therefore counts
//     the operations of which the queue held several records. A known position decides whether a delivery is a copy, and a mark
//     then only adds to redelivered.
//   - order violation, Sequential: an operation first seen after one of its scope with a higher number. The scope is the key,
//     or without keys the producer in the partition. Each operation that came late counts once.
//   - order violation, RealTime: A was acked before B of the same key was sent, and B was first seen before A. This is the
//     order of linearizability (Herlihy and Wing 1990), and no more. Each A counts once. Calls that overlap have no order.
//   - ack collision, Log: an operation whose ack named a place in the log that another's ack had named. Only one record can
//     stand there: the other was deduplicated away, or truncated and its offset given anew. Acks alone decide, while the run
//     goes on and without reading the log. The collision counts in the window of the operation that was reported later.
//   - regression, Sequential: a delivery with a lower number than the one before it in its scope, replays included.
//
// Order is compared within one partition, the partition of the key's first delivery: no order can be observed between
// partitions. When a key's deliveries come from several partitions, findings in the first one stand; without findings the count
// is unknown. Without positions the order is that in which the queue hands out. A record that the queue hands out again takes
// no part. If that record is the first sighting of its operation, a count without findings is unknown.
//
// A count belongs to the window in which the operation was due. Operations of the warm-up take part in every comparison and are
// counted nowhere.
//
// # Cost
//
// An operation takes one bit for acked and one for seen. A page of 4,096 operations keeps more bits only for more facts: other
// outcomes, copies, a border of windows. A fact that holds for the whole page takes none. Positions take one bit each until
// their page is complete. A hundred million operations thus take about 10 MB in a clean run, and 25 MB with 1 % lost. They take
// some 60 MB, five bits each, if every page holds unseen, indeterminate and copied operations and gaps in the offsets. Each
// key, or partition, has 32 bytes. An event costs 20 to 30 ns of one core whose caches no other program uses (BenchmarkLedger).
// Nothing is scanned before Finish.
//
// All other memory is bounded. When a bound is hit, the counts that depend on it become unknown, never 0: see limits.
package integrity
