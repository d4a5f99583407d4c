// Package html renders a record as one page that needs nothing else: no network, no other file. The page works from a disk and
// in a mail.
//
// The page states the verdict first, then its reasons, then the figures of each stream, with the faults drawn over the curves.
// html/template escapes texts that may come from the system under test. The charts are uPlot's, inlined; a browser without
// scripts still shows every table.
package html
