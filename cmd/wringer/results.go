package main

import (
	"errors"
	"os"

	"wringer/reports/vegeta"
)

// results is the file of --vegeta. nil is none.
type results struct {
	*vegeta.Results
	file *os.File
}

// openResults creates the file, nil when the path is empty.
func openResults(path string) (*results, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &results{vegeta.New(file), file}, nil
}

// close writes what is left. The error says why the file is not whole.
func (r *results) close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.Close(), r.file.Close())
}
