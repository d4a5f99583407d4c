package main

import "wringer/scenarios/runner/host"

// alone, when it is not empty, takes what other programs do to the machine out of the judgement. Only tests set it: they judge
// targets on machines that do other work too.
var alone string

// machine reads this machine for a run; nil: it is not read.
func machine() *host.Reader {
	if alone != "" {
		return nil
	}
	return host.New()
}
