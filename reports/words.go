package reports

import (
	"slices"
	"strings"

	"wringer/faults"
)

// Headline is the first reason behind the verdict.
func (r *Run) Headline() string {
	if len(r.Why) == 0 {
		return "the record gives no reason"
	}
	return r.Why[0]
}

// Others are the reasons behind the verdict beside the headline.
func (r *Run) Others() []string {
	if len(r.Why) == 0 {
		return nil
	}
	return r.Why[1:]
}

// Title tells the fault apart from others of its name.
func (f *Fault) Title() string { return faults.Label(f.Name, f.Round) }

// NotTouched is the rest of a sentence that begins with the fault, of one that is not seen to have touched traffic.
func (f *Fault) NotTouched() string {
	if f.Unmeasured != "" {
		return "touched nothing that can be shown: " + f.Unmeasured
	}
	return "touched no traffic: no byte, connection or request met it"
}

// Place names the broken thing: link orders, part fulfilment; empty when the record does not have it.
func (f *Fault) Place() string {
	switch {
	case f.Link != nil && f.Peer != "" && !strings.HasSuffix(*f.Link, "/"+f.Peer):
		return "link " + *f.Link + ", which was " + f.Peer
	case f.Link != nil:
		return "link " + *f.Link
	case f.Part != nil:
		return "part " + *f.Part
	}
	return ""
}

// Suffered lists the streams that had a bad second because of the fault, by name.
func (f *Fault) Suffered() []string {
	var names []string
	for name, r := range f.PerStream {
		if r.DetectionNS != nil && !slices.Contains(f.Untouched, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ErrorShare is the share of offered operations that were not acked; nil when none was offered.
func (m *Measures) ErrorShare() *float64 {
	if m.Offered == 0 {
		return nil
	}
	share := float64(m.Rejected+m.Indeterminate+m.Dropped) / float64(m.Offered)
	return &share
}
