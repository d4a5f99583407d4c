package main

import (
	"errors"
	"os"

	"wringer/reports/vegeta"
)

// results is the file of --vegeta; nil without the flag.
type results struct {
	*vegeta.Results
	file *os.File
}

// openResults creates the file, nil when the path is empty.
func openResults(path string) (*results, error) {
	if path == "" {
		return nil, nil
	}
	file, err := createOutput(path)
	if err != nil {
		return nil, err
	}
	return &results{vegeta.New(file), file}, nil
}

// createOutput opens what begin made of an output: an empty file, or a pipe or device.
func createOutput(path string) (*os.File, error) {
	if special(path) {
		return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
}

// close writes the rest. The error is the reason why the file is incomplete.
func (r *results) close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.Close(), r.file.Close())
}
