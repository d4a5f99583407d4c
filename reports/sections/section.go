package sections

import "wringer/reports"

// Section is one measurement, or one part of the verdict: a table with its notes.
type Section struct {
	Name   string // names its content, the same in every report: Operations, Gates
	Title  string // in plain words: response time and outcomes of operations
	Aside  string // a few words beside the title; may be empty
	Stream string // the stream that was measured; empty for a section of the run
	// Anchor is the same text as in the cells of the count that this evidence proves; empty for all other sections.
	Anchor string
	// Verdict is of the whole section; empty where it has none.
	Verdict reports.Verdict
	// Rank is the rank of all rows except the total. A report with less room shows the totals alone.
	Rank Rank
	// Pairs: each row is a name and its one value.
	Pairs bool
	// Head names the columns. The first one is of the rows' labels, and the cells of a row stand under the others.
	Head []Column
	Rows []Row
	// Notes are sentences below the table, without a full stop.
	Notes []string
}

// The names of sections.
const (
	NameGates       = "gates"
	NameValidity    = "validity"
	NameFaults      = "faults"
	NameChanges     = "changes"
	NameWindows     = "windows"
	NameParts       = "parts"
	NameLinks       = "links"
	NameObserved    = "observed"
	NameIntegrity   = "integrity"
	NameEvidence    = "evidence"
	NameFindings    = "findings"
	NameStartup     = "startup"
	NameRun         = "run"
	NameOperations  = "operations"
	NameAttempts    = "attempts"
	NameCounts      = "counts"
	NameFailures    = "failures"
	NameDetails     = "details"
	NameEffects     = "effects"
	NamePlaces      = "places"
	NamePlace       = "place"
	NameSaga        = "saga"
	NameMessages    = "messages"
	NameStep        = "step"
	NameWitness     = "witness"
	NameReplays     = "replays"
	NameGroup       = "group"
	NameChecks      = "checks"
	NameAbsences    = "absences"
	NameBlocks      = "blocks"
	NameGauges      = "gauges"
	NameSlowest     = "slowest"
	NameTimes       = "times"
	NameHistogram   = "histogram"
	NameTotals      = "totals"
	columnOfWindows = "window"
)

// Rank decides the order in which things are left out if there is little room: the highest first.
type Rank int

const (
	Vital Rank = iota // shown by every report
	Usual             // shown where a table may be as wide as a page
	Full              // shown where there is room for everything
)

// Column describes one column.
type Column struct {
	Name  string // in plain words: indeterminate
	Short string // the same where there is little room; empty: Name
	Kind  Kind
	Rank  Rank
	// Plain: the cells speak for themselves, and a sentence of them needs no name before them.
	Plain bool
}

// Brief is the column's name where there is little room.
func (c Column) Brief() string {
	if c.Short != "" {
		return c.Short
	}
	return c.Name
}

// Row is one line of a table.
type Row struct {
	Label   string
	Note    string          // beside the label: when a window was
	Code    bool            // the label is what a program reads or writes: an expression, an identity
	Verdict reports.Verdict // of the row; empty where it has none
	Fault   bool            // the row is of a fault's window
	Total   bool            // the row sums up the others
	Cells   []Cell
}

// Kind is the kind of the texts of cells.
type Kind int

const (
	Text   Kind = iota // words
	Code               // what a program reads or writes
	Count              // a whole number
	Share              // a ratio, in percent
	Time               // a length of time
	Moment             // a point of the run, or a part of it
	Rate               // a number a second
	Factor             // a plain number
)

// Numeric reports whether the texts are figures, which a report aligns to the right.
func (k Kind) Numeric() bool {
	return k == Count || k == Share || k == Time || k == Rate || k == Factor
}

// State is the meaning of a cell for the verdict.
type State int

const (
	Plain      State = iota
	Good             // as it should be
	Bad              // a defect, or a failure of the target
	Doubt            // it leaves the run undecided
	Unmeasured       // no figure: nothing measured it
	Unknown          // no figure: it was measured, and is not known
)

// Cell is one text of a table, with the figure behind it.
type Cell struct {
	Text  string
	Kind  Kind
	State State
	// Value is the figure in Unit; nil if there is none, or if the text is no figure.
	Value *float64
	Unit  string   // ns, ratio, count, per_second, or empty for a plain number
	Notes []string // further lines of the same cell
	// Anchor is the anchor of the section with the figure's evidence. The record may hold no such section.
	Anchor string
	// Link is the address of a page on the text; empty: none.
	Link string
}

// ByWindow reports whether the rows are the windows of the run.
func (s *Section) ByWindow() bool { return len(s.Head) > 0 && s.Head[0].Name == columnOfWindows }

// Empty reports whether the section has nothing to show.
func (s *Section) Empty() bool { return len(s.Rows) == 0 && len(s.Notes) == 0 }
