package judge

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"wringer/drivers"
	"wringer/reports"
)

// remedies say by the code of most failed attempts what to look at first.
var remedies = map[string]string{
	drivers.CodeRefused: "start the target, or correct its address",
	drivers.CodeDNS:     "correct the name",
	drivers.CodeTLS:     "correct tls, or the scheme of the address",
	drivers.CodeTimeout: "see whether the address is the target's, or make timeout longer",
}

// deadText is what is told of a stream of which no operation was acked: how most of its attempts failed, and what to do.
func deadText(name string, m *reports.Measures) string {
	text := noneAcked(name)
	code, most, all := "", int64(0), int64(0)
	for c, n := range m.Errors {
		all += n
		if n > most || n == most && c < code {
			code, most = c, n
		}
	}
	if most == 0 {
		return text
	}
	text += fmt.Sprintf("; %s of %s attempts ended with %s", reports.Count(most), reports.Count(all), code)
	if detail := brief(m.Details[code]); detail != "" {
		text += " (" + detail + ")"
	}
	if remedy := remedies[code]; remedy != "" {
		text += ": " + remedy
	}
	return text
}

func noneAcked(stream string) string { return "no operation of stream " + stream + " was acked" }

// stoppedText is the reason of a run that ended early, with the causes of what was told without them.
func (f *Facts) stoppedText(run *reports.Run) string {
	text := f.Ending.Stopped.Why
	if !f.Ending.Stopped.Unhealthy {
		return text
	}
	for i := range f.Streams {
		name := f.Streams[i].Spec.Name
		text = strings.Replace(text, noneAcked(name), deadText(name, &run.Streams[name].Total), 1)
	}
	return text
}

// brief is the begin of a text that a target or the system gave, in one line.
func brief(text string) string {
	const most = 160
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= most {
		return text
	}
	cut := most
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
