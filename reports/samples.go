package reports

import "fmt"

// Samples tells of the file of attempts, a row each.
type Samples struct {
	File string `json:"file"` // as it was named
	Rows int64  `json:"rows"` // in the file
	// Missing counts the rows that are not in the file: they came faster than they could be written, or writing failed.
	Missing int64 `json:"missing"`
}

// SamplesMissing is the kind of the finding that rows of attempts are missing from their file.
const SamplesMissing = "samples"

// Lack says in words how many rows are missing.
func (s *Samples) Lack() string {
	return fmt.Sprintf("%s of %s rows of attempts are missing from %s: they came faster than they could be written",
		Count(s.Missing), Count(s.Rows+s.Missing), s.File)
}
