// Package sections puts a run record in words and figures once, for every report that lays them out: an HTML page, a summary in
// Markdown, a terminal. A Section is plain data. It has no markup, and does not depend on the report.
//
// For makes the sections of a stream. Gates, Validity, Faults, Windows, Integrity, Evidence, Findings and About make the
// sections of the run. They only read the record, and the same record gives the same sections.
package sections
