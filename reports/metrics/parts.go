package metrics

import (
	"wringer/reports/metric"
)

// parts are the metrics of one code, one step and one check.
var parts = tables(
	[]metric.Metric{{
		Subject: metric.CodeSubject, Unit: metric.Count, Class: metric.Outcome, Better: metric.Lower, BySecond: true, Needs: sends, Read: codeCount,
		About: "Attempts that ended with the code, and were not acked.",
	}},
	metric.Times(stepTime("of the service time of a step, over all that were taken, from its send to its answer"), stepService),
	[]metric.Metric{
		{
			Subject: metric.StepSubject, Name: "errors", Unit: metric.Ratio, Class: metric.Outcome, Better: metric.Lower, BySecond: true, Needs: ofChain, Read: stepErrors,
			About: "Share of the times that a step was taken after which it was not acked.",
		},
		{
			Subject: metric.StepSubject, Name: "attempts", Unit: metric.Count, Better: metric.Neither, BySecond: true, Needs: ofChain, Read: stepAttempts,
			About: "Times that a step was taken.",
		},
		{
			Subject: metric.CheckSubject, Unit: metric.Count, Class: metric.Outcome, Better: metric.Lower, BySecond: true,
			Needs: metric.Needs{Sending: metric.Checked, Consuming: metric.Operations}, Read: checkCount,
			About: "Answers that failed the check of that name.",
		},
	},
)

var ofChain = metric.Needs{Sending: metric.Chain, Consuming: metric.Operations}

func stepTime(about string) metric.Metric {
	m := timed("", about)
	m.Subject, m.Needs, m.Beyond = metric.StepSubject, ofChain, "steps got no answer"
	return m
}

// codeCount counts the attempts that ended with a code. Each attempt that the generator did not make may have ended so.
func codeCount(f *metric.Facts) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	if c.Tries == 0 && c.Offered == c.DroppedByUs {
		return metric.Missing("no operation was sent")
	}
	n := c.Errors[f.Part]
	return metric.Reading{Value: float64(n), Targets: float64(n + c.DroppedByUs*tried(f.Attempts))}
}

// step returns the step that a gate names, with the number of times that it was not taken by the generator's own doing.
func step(f *metric.Facts) (s *StepCell, ours int64, none *metric.Reading) {
	c, none := offered(f)
	if none != nil {
		return nil, 0, none
	}
	if f.Index >= len(c.Steps) || c.Steps[f.Index].Attempts == 0 {
		missing := metric.Missing("the step was never taken")
		return nil, 0, &missing
	}
	return &c.Steps[f.Index], c.DroppedByUs, nil
}

func stepService(f *metric.Facts, s metric.Statistic) metric.Reading {
	of, ours, none := step(f)
	if none != nil {
		return *none
	}
	return statistic(&of.Service, &noLag, s, of.Attempts+ours, ours)
}

func stepErrors(f *metric.Facts) metric.Reading {
	of, ours, none := step(f)
	if none != nil {
		return *none
	}
	failed, all := of.Attempts-of.Acked, float64(of.Attempts+ours)
	return metric.Reading{Value: float64(failed+ours) / all, Targets: float64(failed) / all}
}

func stepAttempts(f *metric.Facts) metric.Reading {
	of, ours, none := step(f)
	if none != nil {
		return *none
	}
	return metric.Reading{Value: float64(of.Attempts), Targets: float64(of.Attempts + ours*tried(f.Attempts))}
}

// checkCount counts the answers that failed a check. Where none came that it could be applied to, nothing is known.
func checkCount(f *metric.Facts) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	if f.Index >= len(c.Checks) || c.Checks[f.Index].Applied == 0 {
		return metric.Missing("no answer came that the check could be applied to")
	}
	n := c.Checks[f.Index].Failed
	return metric.Reading{Value: float64(n), Targets: float64(n + c.DroppedByUs*tried(f.Attempts))}
}
