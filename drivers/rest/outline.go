package rest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"wringer/drivers"
)

// bodyLine is a line of a targets file that names the file of a body.
type bodyLine struct {
	line int
	path string
}

// check returns what is wrong with the file, which vegeta reads whole. pipe: it is a pipe or a device.
func (b bodyLine) check() (pipe bool, err error) {
	at, err := os.Stat(b.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("there is no file %s; such a path starts in the working directory", b.path)
	case err != nil:
		return false, err
	case at.IsDir():
		return false, fmt.Errorf("%s is a folder; name a file", b.path)
	case at.Size() > drivers.MaxFile:
		return false, fmt.Errorf("%s has %d bytes; at most %d are read", b.path, at.Size(), drivers.MaxFile)
	}
	return !at.Mode().IsRegular(), nil
}

// outline finds the lines in which the targets begin, and those that name bodies. It reads the file as vegeta's parser does, which
// tells no lines.
func outline(text string, json bool) (starts []int, bodies []bodyLine) {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if json {
		for i, l := range lines {
			if l != "" {
				starts = append(starts, i+1)
			}
		}
		return starts, nil
	}
	for i := 0; i < len(lines); {
		if lines[i] == "" || lines[i][0] == '#' {
			i++
			continue
		}
		starts = append(starts, i+1)
		if i++; i < len(lines) && methodLine(lines[i]) {
			continue
		}
		for ; i < len(lines) && lines[i] != ""; i++ {
			if path, is := strings.CutPrefix(lines[i], "@"); is {
				bodies = append(bodies, bodyLine{i + 1, path})
				i++
				break
			}
		}
	}
	return starts, bodies
}

// methodLine says whether a line begins with a method: capitals and a blank.
func methodLine(line string) bool {
	word, _, blank := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	return blank && word != "" && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
