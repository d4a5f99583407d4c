package shop

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"wringer/drivers"
)

// Defect is one fault built into the shop that can be switched on. The zero shop has none.
type Defect struct {
	Name string
	// About describes the defect in one line.
	About string
}

// The names of the defects.
const (
	NoDedupe         = "no-dedupe"
	PublishTwice     = "publish-twice"
	AckBeforePublish = "ack-before-publish"
	Unordered        = "unordered"
	CommitFirst      = "commit-first"
	Redeliver        = "redeliver"
	Hang             = "hang"
	RetryStorm       = "retry-storm"
	CallTwice        = "call-twice"
	Chatty           = "chatty"

	// Those of the leg over RabbitMQ.
	AckBeforeWork    = "ack-before-work"
	NoDeadLetter     = "no-dead-letter"
	NoCompensation   = "no-compensation"
	PoisonLoop       = "poison-loop"
	UnboundedBacklog = "unbounded-backlog"
	NotIdempotent    = "not-idempotent"
	WrongCorrelation = "wrong-correlation"
)

// queueDefects are the defects of the leg over RabbitMQ.
var queueDefects = defectSet([]string{AckBeforeWork, NoDeadLetter, NoCompensation, PoisonLoop, UnboundedBacklog, NotIdempotent, WrongCorrelation})

// Defects lists every defect.
func Defects() []Defect {
	return []Defect{
		{NoDedupe, "ignores Idempotency-Key: a retry after a lost answer executes and publishes again"},
		{PublishTwice, "publishes the event of 1 order in 20 twice"},
		{AckBeforePublish, "answers first and publishes through a small queue in memory that drops when full: a paused broker loses acked orders"},
		{Unordered, "answers first and publishes each event up to 300ms later: nothing is lost, a customer's order of events is"},
		{CommitFirst, "fulfilment commits what it fetched before it works on it: a kill loses shipments"},
		{Redeliver, "fulfilment forgets what it did and commits rarely: a kill ships again"},
		{Hang, "never answers 1 order in 50"},
		{RetryStorm, "calls the inventory with a short timeout, again and again, without backoff or breaker"},
		{CallTwice, "sends each request to the inventory twice, as a proxy that repeats it does"},
		{Chatty, "asks the inventory for the level of each item of the order before it reserves one: n + n x n calls"},
		{AckBeforeWork, "the worker acks a command before it works on it: a kill loses reservations"},
		{NoDeadLetter, "the queue of commands has no dead-letter exchange: an unreadable command is gone, and nobody learns of it"},
		{NoCompensation, "an order whose reservation failed keeps its charge"},
		{PoisonLoop, "the worker puts an unreadable command back, and gets it again, for ever"},
		{UnboundedBacklog, "the queue of commands takes any number: a slow worker falls behind further and further"},
		{NotIdempotent, "the worker reserves again when a command is delivered again"},
		{WrongCorrelation, "1 reply in 20 goes to who asked before"},
	}
}

// opposed lists pairs of defects that change the same place in different ways.
var opposed = [][2]string{{AckBeforePublish, Unordered}, {CommitFirst, Redeliver}, {NoDeadLetter, PoisonLoop}, {AckBeforeWork, PoisonLoop}}

// defects is the set of defects that are switched on.
type defects map[string]bool

func defectSet(names []string) defects {
	set := make(defects, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// checkDefects reports every unknown name with the nearest spelling, and every pair that excludes each other.
func checkDefects(names []string, problem func(message string)) {
	known := make([]string, 0, len(Defects()))
	for _, d := range Defects() {
		known = append(known, d.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			problem(fmt.Sprintf("unknown defect %q: did you mean %s? There are %s", name, nearest(name, known), strings.Join(known, ", ")))
		}
	}
	for _, pair := range opposed {
		if slices.Contains(names, pair[0]) && slices.Contains(names, pair[1]) {
			problem(fmt.Sprintf("defects %s and %s exclude each other: remove one", pair[0], pair[1]))
		}
	}
}

// nearest returns the word with the smallest edit distance.
func nearest(word string, words []string) string {
	return slices.MinFunc(words, func(a, b string) int { return distance(word, a) - distance(word, b) })
}

// distance is Levenshtein's edit distance, over bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// The places of the draws by order id. Different places make the defects choose their orders independently.
const (
	placeTwice = iota
	placeHang
	placeDelay
	placeCorrelation
)

// draw is a pure function of the order: all its attempts draw the same.
func draw(seed uint64, orderID string, place uint64) uint64 {
	h := fnv.New64a()
	h.Write([]byte(orderID))
	return drivers.Draw(seed, h.Sum64(), place)
}

func (d defects) publishesTwice(orderID string) bool {
	return d[PublishTwice] && drivers.DrawBelow(draw(0, orderID, placeTwice), 20) == 0
}

func (d defects) hangs(orderID string) bool {
	return d[Hang] && drivers.DrawBelow(draw(0, orderID, placeHang), 50) == 0
}
