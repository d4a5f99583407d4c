package integrity

import (
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wringer/drivers"
	"wringer/reports"
)

// published is a record as a test writes it.
type published struct {
	id, key, number string
	partition       int32
	at              time.Duration
}

func (p published) delivery(offset int64) drivers.Delivery {
	d := drivers.Delivery{Position: drivers.PositionIn(p.partition, offset), At: p.at}
	for _, text := range []struct {
		to   *[]byte
		text string
	}{{&d.ID, p.id}, {&d.Key, p.key}, {&d.Sequence, p.number}} {
		if text.text != "" {
			*text.to = []byte(text.text)
		}
	}
	return d
}

// judged runs records through a topic.
func judged(sequenced bool, c reports.Completeness, records ...published) Result {
	return judgedWithin(newTopicLimits(), sequenced, c, records...)
}

func judgedWithin(limits topicLimits, sequenced bool, c reports.Completeness, records ...published) Result {
	t := newTopic(TopicConfig{Stream: "s", Windows: windows, WindowAt: windowAt, Sequenced: sequenced}, limits)
	for i, r := range records {
		t.Seen([]drivers.Delivery{r.delivery(int64(i))})
	}
	return t.result(c)
}

func counts(i *reports.Integrity) string {
	text := ""
	for _, name := range []string{"seen", "foreign", "log_duplicates", "extra_copies", "max_copies", "order_violations", "regressions", "gaps"} {
		text += reports.Measured(i.Count(name), func(n int64) string { return fmt.Sprint(n) }) + " "
	}
	return text
}

const nm = reports.NotMeasured

func TestTopicStories(t *testing.T) {
	whole := reports.Completeness{Known: true}
	for name, c := range map[string]struct {
		sequenced bool
		known     reports.Completeness
		records   []published
		want      string
	}{
		"nothing": {true, whole, nil, "0 0 0 0 0 0 0 0 "},
		"all is well": {true, whole, []published{{id: "a", key: "k", number: "1"}, {id: "b", key: "k", number: "2"}, {id: "c", key: "l", number: "7"}},
			"3 0 0 0 1 0 0 0 "},
		"one three times, one twice": {false, whole, []published{{id: "a"}, {id: "a"}, {id: "b"}, {id: "a"}, {id: "b"}},
			"2 0 2 3 3 " + nm + " " + nm + " " + nm + " "},
		"no identity: a copy may hide there": {false, whole, []published{{id: "a"}, {}},
			"1 1 " + nm + " " + nm + " " + nm + " " + nm + " " + nm + " " + nm + " "},
		"no identity, and a copy all the same": {false, whole, []published{{id: "a"}, {}, {id: "a"}},
			"1 1 1 1 2 " + nm + " " + nm + " " + nm + " "},
		"late": {true, whole, []published{{id: "a", key: "k", number: "1"}, {id: "c", key: "k", number: "3"}, {id: "b", key: "k", number: "2"}},
			"3 0 0 0 1 1 1 0 "},
		"a copy that comes late is no violation": {true, whole, []published{{id: "a", key: "k", number: "1"}, {id: "b", key: "k", number: "2"}, {id: "a", key: "k", number: "1"}},
			"2 0 1 1 2 0 1 0 "},
		"two missing": {true, whole, []published{{id: "a", key: "k", number: "1"}, {id: "d", key: "k", number: "4"}},
			"2 0 0 0 1 0 0 2 "},
		"missing below the first, one comes": {true, whole, []published{{id: "e", key: "k", number: "5"}, {id: "b", key: "k", number: "2"}, {id: "c", key: "k", number: "3"}},
			"3 0 0 0 1 2 1 1 "},
		"missing where the rest was not read": {true, reports.Completeness{}, []published{{id: "a", key: "k", number: "1"}, {id: "c", key: "k", number: "3"}},
			"2 0 " + nm + " " + nm + " " + nm + " " + nm + " " + nm + " " + nm + " "},
		"no number": {true, whole, []published{{id: "a", key: "k", number: "x"}, {id: "b", key: "k", number: "2"}},
			"2 0 0 0 1 " + nm + " " + nm + " " + nm + " "},
		"a key in two partitions": {true, whole, []published{{id: "a", key: "k", number: "9"}, {id: "b", key: "k", number: "8", partition: 1}},
			"2 0 0 0 1 " + nm + " " + nm + " 0 "},
		"what another partition holds is no violation": {true, whole, []published{{id: "a", key: "k", number: "1"}, {id: "c", key: "k", number: "3", partition: 1}, {id: "b", key: "k", number: "2"}},
			"3 0 0 0 1 " + nm + " " + nm + " 0 "},
		"numbers that do not count": {true, whole, []published{{id: "a", key: "k", number: "-9223372036854775808"}, {id: "b", key: "k", number: "9223372036854775807"}, {id: "c", key: "k", number: "3"}},
			"3 0 0 0 1 1 1 " + nm + " "},
		"the warm-up is not counted, and known": {true, whole, []published{{id: "a", key: "k", number: "2", at: -1}, {id: "a", key: "k", number: "2"}, {id: "b", key: "k", number: "1"}},
			"1 0 0 0 1 1 1 0 "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := counts(judged(c.sequenced, c.known, c.records...).Total); got != c.want {
				t.Errorf("seen, foreign, duplicates, extra, max, order, regressions, gaps are\n%s, want\n%s", got, c.want)
			}
		})
	}
}

// A bound that was hit makes the counts that depend on it unknown, and never invents a finding.
func TestTopicBounds(t *testing.T) {
	limits := topicLimits{ids: 1, keys: 1, missing: 1}
	r := judgedWithin(limits, true, reports.Completeness{Known: true},
		published{id: "a", key: "k", number: "5"}, published{id: "b", key: "k", number: "3"}, published{id: "b", key: "k", number: "3"}, published{id: "c", key: "l", number: "1"})
	if got := counts(r.Total); got != "1 0 "+nm+" "+nm+" "+nm+" "+nm+" 1 "+nm+" " {
		t.Errorf("counts %s, unknown %v", got, r.Unknown)
	}
}

func TestTopicTellsItsEvidence(t *testing.T) {
	r := judged(true, reports.Completeness{Known: true}, published{id: "a", key: "k", number: "1"}, published{id: "c", key: "k", number: "4", at: 11 * time.Second},
		published{id: "b", key: "k", number: "2"}, published{id: "a", key: "k", number: "1"})
	var listed []string
	for _, v := range r.Violations {
		listed = append(listed, v.Kind+" "+v.Window+" "+v.ID+" "+v.Key+": "+v.Why)
	}
	want := []string{
		"gap " + windows[windowAt(11*time.Second)] + "  k: number 3 is missing: the numbers of the key run from 1 to 4",
		"log_duplicate " + windows[windowAt(0)] + " a k: in the topic at partition 0, offset 0 and again at partition 0, offset 3",
		"order_violation " + windows[windowAt(0)] + " b k: number 2 of its key was first seen after number 4",
	}
	if fmt.Sprint(listed) != fmt.Sprint(want) {
		t.Errorf("evidence\n%q, want\n%q", listed, want)
	}
}

// judgedSlowly looks at all records again for each record.
func judgedSlowly(records []published) (seen, duplicates, extra, violations, regressions, gaps int64) {
	copies := map[string]int64{}
	numbers := map[string]map[int]bool{}
	for i, r := range records {
		n, _ := strconv.Atoi(r.number)
		first, below, last := copies[r.id] == 0, false, math.MinInt
		for _, b := range records[:i] {
			if m, _ := strconv.Atoi(b.number); b.key == r.key {
				below, last = below || n < m, m
			}
		}
		if first && below {
			violations++
		}
		if n < last {
			regressions++
		}
		copies[r.id]++
		if numbers[r.key] == nil {
			numbers[r.key] = map[int]bool{}
		}
		numbers[r.key][n] = true
	}
	for _, n := range copies {
		seen++
		extra += n - 1
		duplicates += min(n-1, 1)
	}
	for _, of := range numbers {
		low, top := math.MaxInt, math.MinInt
		for n := range of {
			low, top = min(low, n), max(top, n)
		}
		gaps += int64(top - low + 1 - len(of))
	}
	return
}

func TestTopicAgreesWithTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var records []published
		for range rapid.IntRange(0, 60).Draw(t, "records") {
			key := rapid.SampledFrom([]string{"k", "l", "m"}).Draw(t, "key")
			n := strconv.Itoa(rapid.IntRange(-8, 8).Draw(t, "number"))
			records = append(records, published{id: key + n, key: key, number: n, at: time.Duration(rapid.IntRange(0, 30).Draw(t, "at")) * time.Second})
		}
		r := judged(true, reports.Completeness{Known: true}, records...)
		seen, duplicates, extra, violations, regressions, gaps := judgedSlowly(records)
		got := fmt.Sprint(*r.Total.Seen, *r.Total.LogDuplicates, *r.Total.ExtraCopies, *r.Total.OrderViolations, *r.Total.Regressions, *r.Total.Gaps)
		if want := fmt.Sprint(seen, duplicates, extra, violations, regressions, gaps); got != want {
			t.Fatalf("seen, duplicates, extra, violations, regressions, gaps: %s, want %s of %+v", got, want, records)
		}
	})
}

// A queue has no positions. A marked repeat is neither a copy nor out of order; a copy without the mark is a copy.
func TestTopicOverAQueue(t *testing.T) {
	record := func(id, number string, redelivered bool) drivers.Delivery {
		return drivers.Delivery{ID: []byte(id), Key: []byte("k"), Sequence: []byte(number), Redelivered: redelivered}
	}
	for name, c := range map[string]struct {
		records []drivers.Delivery
		want    string
	}{
		"all is well":                  {[]drivers.Delivery{record("a", "1", false), record("b", "2", false)}, "2 0 0 0 1 0 0 0 "},
		"handed out again":             {[]drivers.Delivery{record("a", "1", false), record("b", "2", false), record("a", "1", true)}, "2 0 0 0 1 0 0 0 "},
		"a copy":                       {[]drivers.Delivery{record("a", "1", false), record("b", "2", false), record("a", "1", false)}, "2 0 1 1 2 0 1 0 "},
		"out of order":                 {[]drivers.Delivery{record("b", "2", false), record("a", "1", false)}, "2 0 0 0 1 1 1 0 "},
		"only seen when it came again": {[]drivers.Delivery{record("a", "1", false), record("b", "2", true)}, "2 0 0 0 1 " + nm + " " + nm + " 0 "},
	} {
		t.Run(name, func(t *testing.T) {
			topic := newTopic(TopicConfig{Stream: "s", Windows: windows, WindowAt: windowAt, Sequenced: true}, newTopicLimits())
			topic.Seen(c.records)
			r := topic.result(reports.Completeness{Known: true})
			if got := counts(r.Total); got != c.want {
				t.Errorf("%s; want %s", got, c.want)
			}
			for _, v := range r.Violations {
				if v.Seen[0].Partition != nil || v.Seen[0].Offset != nil {
					t.Errorf("the evidence names a place in a queue: %+v", v)
				}
			}
		})
	}
}
