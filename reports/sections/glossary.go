package sections

import "strings"

// Term is a word of the report with its meaning.
type Term struct{ Name, Meaning string }

// Glossary explains the words of the report, in the order of the alphabet. Column heads that are one of them have the same name.
func Glossary() []Term { return glossary }

var glossary = []Term{
	{"acknowledgement collisions", "operations acknowledged at a place that another operation's acknowledgement had named"},
	{"acked", "acknowledged: the target said that the operation took effect"},
	{"amplification", "attempts divided by operations: how much retries add to the load"},
	{"arrived twice", "operations or identities of which at least two requests arrived"},
	{"attempts", "transmissions of operations; a retry is attempt 2 and up"},
	{"baseline", "the time before the first fault, with which other windows are compared"},
	{"busy", "seconds in which other programs, the hypervisor or a quota took the processors that the run needed"},
	{"corrupt", "operations with an effect that differs from what was sent"},
	{"detection", "the time from a fault's begin to the first bad second"},
	{"drain", "the time after the traffic in which effects are awaited"},
	{"dropped", "operations that were due and not sent: the target held every slot, or the load generator was late"},
	{"effect", "what an operation leaves behind where it must show up: a record, a row, a call"},
	{"effect duplicates", "operations that took effect more than once"},
	{"errors", "the share of offered operations that were not acked"},
	{"foreign", "deliveries that are not of this stream"},
	{"gaps", "numbers that are missing within a key"},
	{"indeterminate", "no answer decided the operation: it may have taken effect, as after a timeout"},
	{"log duplicates", "operations that stand at more than one offset of the topic"},
	{"lost", "acked operations whose effect was not seen by the end of the drain"},
	{"metastable", "the system stayed bad after the fault was gone"},
	{"no answer", "the percentile falls among operations that were never answered, which are slower than every answer"},
	{"offered", "operations that were due by the plan, sent or not"},
	{"order violations", "operations first seen after a later one of their key or partition"},
	{"overtaken", "operations due before a fault's begin and not over at it"},
	{"p50", "half of all offered operations were answered within this time"},
	{"p99", "99 of 100 offered operations were answered within this time; an unanswered one is slower than every answer"},
	{"p99.9", "999 of 1,000 offered operations were answered within this time"},
	{"phantom", "rejected operations whose effect was seen all the same"},
	{"recovered", "indeterminate operations whose effect was seen, which does no harm"},
	{"recovery", "the time from a fault's end to the first of three good seconds in a row"},
	{"redelivered", "repeated deliveries of the same offset or message"},
	{"regressions", "decreases of the order of any kind, repeats included"},
	{"rejected", "the operation surely did not take effect: the target refused it, or it never arrived"},
	{"response time", "from the planned start of an operation to its answer, waiting for its turn included"},
	{"retries", "attempts 2 and up of operations"},
	{"saturated", "the load generator itself was the limit: times of such a second say nothing about the target"},
	{"service p99", "99 of 100 attempts were answered within this time from their send"},
	{"unanswered", "operations that got no answer"},
	{"unexpected", "effects that were seen and belong to no operation that was sent"},
	{"window", "an interval of the run that a fault, a phase or a step names"},
}

// Meaning explains a word, empty for one that the glossary does not have.
func Meaning(word string) string {
	for _, t := range glossary {
		if strings.EqualFold(t.Name, word) {
			return t.Meaning
		}
	}
	return ""
}
