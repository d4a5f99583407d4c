// Package html renders a record as one page that needs nothing else: no network, no other file. The page works from a disk
// and in a mail.
//
// The page says the verdict first, then why, then what each stream did, with the faults drawn over its curves. Texts that may
// come from the system under test are escaped by html/template. The charts are uPlot's, inlined; a browser without scripts
// still shows every table.
package html
