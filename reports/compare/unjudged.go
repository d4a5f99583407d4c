package compare

import (
	"fmt"
	"strings"

	"wringer/reports/metric"
)

// fewestApart is how many runs each side must have before a metric without a verdict is called apart: of 6 and 6 runs of one service, all
// of the new ones are worse than all others by chance once in 924.
const fewestApart = 6

// apart says that a metric that is not judged got worse in every new run, by the change that counts at least.
func (c *comparison) apart(j *judgement, v *Value) bool {
	if v.Window != nil || v.Change == nil || len(j.base) < fewestApart || len(j.new) < fewestApart {
		return false
	}
	switch _, better := c.describe(j.key); better {
	case metric.Lower:
		return *v.Change >= c.options.Effect && j.new[0] > j.base[len(j.base)-1]
	case metric.Higher:
		return *v.Change <= -c.options.Effect && j.new[len(j.new)-1] < j.base[0]
	}
	return false
}

// unjudged tells of the metrics that are apart: no verdict, and nobody may read that nothing changed.
func (c *comparison) unjudged() string {
	const most = 3
	names := c.apartNames
	if len(names) == 0 {
		return ""
	}
	text := strings.Join(names[:min(len(names), most)], ", ")
	if left := len(names) - most; left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return "no gate judges " + text + ", which got worse in every new run"
}
