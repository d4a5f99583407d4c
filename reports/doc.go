// Package reports holds the run record: what a run measured and what was made of it. A report is a pure function of the
// record; each format is a package below it. This package needs the standard library and the nouns of drivers and faults.
//
// Run is run.json, with a comment on each field, from which the record's JSON Schema is made. Measures are the counts and
// times of one stream in one window. Record is a folder of a run as it is read back. Absent measurements are nil, never 0.
//
// Packages below it fold events into measures (metrics, integrity, effects, arrivals) or render records (html, junit, markdown,
// text). Values are put in words here, so that every format says the same.
package reports
