package scenarios

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"wringer/drivers"
)

// Bounds of include: a chain of files that include each other, and the files of one scenario.
const (
	maxIncludeDepth = 10
	maxIncluded     = 50
)

// includeKey names the files whose parts a scenario has too.
const includeKey = "include"

// joinedLists are the lists at the top of a scenario that are joined with those of included files.
var joinedLists = []string{"faults", "abort", "expect"}

// include joins the scenario with the files that it includes, and keeps their texts behind its own, as comments.
func (r *reader) include(root *node, s *Scenario, read func(path string) ([]byte, error)) {
	if read == nil {
		read = func(path string) ([]byte, error) {
			text, err := drivers.ReadFile(path)
			return []byte(text), err
		}
	}
	i := includer{reader: r, read: read}
	i.join(root, filepath.Dir(r.file))
	for _, f := range i.files {
		s.included = append(s.included, File{At: "scenario: " + includeKey, Path: f.path, Kind: pathFile, tag: pathFile})
		s.Source = append(s.Source, f.comment()...)
	}
}

// includer reads included files.
type includer struct {
	*reader
	read  func(path string) ([]byte, error)
	open  []string // the files that include each other, the outermost first
	files []includedFile
}

type includedFile struct {
	path string
	text []byte
}

// comment is the file as a comment of the scenario.
func (f includedFile) comment() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n# Included from %s:\n", f.path)
	for line := range bytes.Lines(f.text) {
		fmt.Fprintf(&b, "# %s\n", bytes.TrimRight(line, "\r\n"))
	}
	return b.Bytes()
}

// join joins a file's table with the files that it includes. folder is the file's own.
func (i *includer) join(root *node, folder string) {
	n := root.get(includeKey)
	if n == nil {
		return
	}
	if n.kind != list {
		i.problem(n, "include: expects a list of files, found %s: write include: [shared/links.yaml]", n.words())
		return
	}
	under := &node{kind: table, place: root.place}
	for _, item := range n.items {
		text, _, ok := i.text(item, includeKey, "a file")
		if !ok {
			continue
		}
		if file := i.file(item, drivers.ResolvePath(folder, text)); file != nil {
			under.fields = joinedFields(under, file, true)
		}
	}
	root.fields = joinedFields(under, root, true)
}

// file reads one file, with those that it includes itself; nil after a problem.
func (i *includer) file(at *node, path string) *node {
	whole := absolute(path)
	switch {
	case slices.Contains(i.open, whole):
		i.problem(at, "include: %s includes itself, by way of %s", path, strings.Join(i.open, ", "))
		return nil
	case len(i.open) == maxIncludeDepth:
		i.problem(at, "include: more than %d files include each other", maxIncludeDepth)
		return nil
	case len(i.files) == maxIncluded:
		i.problem(at, "include: more than %d files", maxIncluded)
		return nil
	}
	text, err := i.read(path)
	if err != nil {
		i.problem(at, "include: %v", err)
		return nil
	}
	i.files = append(i.files, includedFile{path, text})
	root := readDocument(path, text, i.at)
	if root == nil {
		return nil
	}
	if root.kind != table {
		i.problem(root, "an included file holds parts of a scenario, as in links: {...}; found %s", root.words())
		return nil
	}
	i.open = append(i.open, whole)
	i.join(root, filepath.Dir(path))
	i.open = i.open[:len(i.open)-1]
	root.fields = slices.DeleteFunc(root.fields, func(f field) bool { return f.key.text == includeKey })
	return root
}

// joinedFields are the fields of two tables in one. What both have counts as over has it, but tables are joined, and at the top of a
// scenario some lists. The nodes of both stay as they are: aliases may lead to them.
func joinedFields(under, over *node, top bool) []field {
	fields := slices.Clone(under.fields)
	for _, f := range over.fields {
		at := slices.IndexFunc(fields, func(o field) bool { return o.key.text == f.key.text })
		if at < 0 {
			fields = append(fields, f)
			continue
		}
		was := fields[at].value
		both := *f.value
		switch {
		case was.kind == table && both.kind == table:
			both.fields = joinedFields(was, f.value, false)
		case top && was.kind == list && both.kind == list && slices.Contains(joinedLists, f.key.text):
			both.items = slices.Concat(was.items, both.items)
		}
		fields[at] = field{f.key, &both}
	}
	return fields
}
