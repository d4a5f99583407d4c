// Package reports holds the run record: the measurements of a run and the conclusions from them. A report is a pure function of
// the record; each format is a package below it. This package needs the standard library and the nouns of drivers and faults.
//
// Run is run.json, with a comment on each field, from which the record's JSON Schema is generated. Measures are the counts and
// times of one stream in one window. Record is a folder of a run as it is read back. Absent measurements are nil, never 0.
//
// Packages below it fold events into measures (metrics, integrity, effects, arrivals) or render records (html, junit, markdown,
// text). This package puts values in words, so that every format uses the same ones.
package reports
