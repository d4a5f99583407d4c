package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/faults"
)

// Maker is a TargetConfig whose programs may write files that the scenario names.
type Maker interface {
	TargetConfig
	// Makes lists those files, and folders of them, relative to the scenario.
	Makes() []string
}

// Later is a file that is not checked before the run.
type Later struct {
	Problem        // its place, and the reason
	Path    string // relative paths lie in the scenario's folder
}

// CheckFiles opens what the scenario names: files, folders and programs. The configurations are then checked against their files;
// see drivers.FileChecker. It dials and starts nothing. An error is a Problems that holds all problems. Files that the target
// makes, or whose paths hold its variables, are not looked at: later lists them.
func (s *Scenario) CheckFiles() (later []Later, err error) {
	later, problems := s.checkFiles(nil)
	if len(problems) > 0 {
		return later, problems.tidy(s.Path)
	}
	return later, nil
}

// checkFiles does what CheckFiles does where some configurations have problems: those are not checked against their files.
func (s *Scenario) checkFiles(unsound []placed) ([]Later, Problems) {
	among := func(all []placed, p placed) bool {
		return slices.ContainsFunc(all, func(o placed) bool { return o.config == p.config })
	}
	configs := s.placed()
	for _, p := range unsound {
		if !among(configs, p) {
			configs = append(configs, p)
		}
	}
	o := opener{decoder: decoder{file: s.Path}, folder: filepath.Dir(s.Path)}
	if m, ok := s.Target.(Maker); ok {
		o.maker, o.makes = true, m.Makes()
	}
	for _, f := range s.pathsOf(configs) {
		o.open(f)
	}
	for _, p := range configs {
		if c, ok := p.config.(drivers.FileChecker); ok && !among(unsound, p) {
			o.content(&p, c)
		}
	}
	for i := range o.problems {
		o.problems[i].Message = s.Redact(o.problems[i].Message)
	}
	return o.later, o.problems
}

// opener looks at the paths of a scenario.
type opener struct {
	decoder
	folder string
	makes  []string
	maker  bool // the target can say what it makes
	later  []Later
}

// open looks at one path, and tells what is wrong with it.
func (o *opener) open(f File) {
	var err error
	switch f.tag {
	case pathImport, pathWithin, pathLater:
		return // the configuration knows where it lies
	case pathSocket:
		err = o.socket(f)
	case pathProgram:
		err = o.program(f)
	case pathFolder, pathWorkDir:
		err = o.lookAt(f.text, true)
	case pathAny:
		at, failed := os.Stat(f.Path)
		err = o.lookAt(f.text, failed == nil && at.IsDir())
	case pathFile:
		err = o.lookAt(f.text, false)
	}
	at := f.part.node
	if at == nil {
		at = &node{}
	}
	at = at.find(f.field)
	message := f.part.name + ": " + f.field + ": "
	switch {
	case err == nil:
	case errors.Is(err, drivers.ErrLater):
		o.later = append(o.later, Later{at.problem(o.file, message+err.Error()), f.Path})
	default:
		o.problem(at, "%s%v", message, err)
	}
}

// content lets a configuration check what its files hold.
func (o *opener) content(p *placed, c drivers.FileChecker) {
	n := p.node
	if n == nil {
		n = &node{}
	}
	ready := func(path string) error { return o.lookAt(path, false) }
	c.CheckFiles(o.folder, ready, func(field, message string) {
		message = strings.ReplaceAll(message, "\u00a0", " ") // protobuf's errors hold either blank, by the build
		o.problem(n.find(field), "%s: %s: %s", p.name, field, message)
	})
}

// laterError says why a path is looked at later.
type laterError string

func (e laterError) Error() string        { return string(e) }
func (e laterError) Is(target error) bool { return target == drivers.ErrLater }

// undecided says why a path cannot be looked at before the target runs; nil when it can.
func (o *opener) undecided(text string) error {
	if strings.Contains(text, "${") {
		return laterError(fmt.Sprintf("%s is known once the target runs", text))
	}
	whole := absolute(drivers.ResolvePath(o.folder, text))
	for _, made := range o.makes {
		inner, err := filepath.Rel(absolute(drivers.ResolvePath(o.folder, made)), whole)
		if err == nil && filepath.IsLocal(inner) {
			return laterError(fmt.Sprintf("the target makes %s", text))
		}
	}
	return nil
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// maxFile bounds every file that a scenario names, in bytes. Configurations may have lower bounds.
const maxFile = 64 << 20

// lookAt returns what is wrong with a file or folder to read.
func (o *opener) lookAt(text string, folder bool) error {
	if err := o.undecided(text); err != nil {
		return err
	}
	path := drivers.ResolvePath(o.folder, text)
	at, err := os.Stat(path)
	switch {
	case err != nil:
		what := "file"
		if folder {
			what = "folder"
		}
		return o.absent(what, path, err)
	case folder && !at.IsDir():
		return fmt.Errorf("%s is no folder", path)
	case !folder && at.IsDir():
		return fmt.Errorf("%s is a folder; name a file", path)
	case !folder && !at.Mode().IsRegular():
		return laterError(fmt.Sprintf("%s is a pipe or a device, and can be read only once", path))
	case !folder && at.Size() > maxFile:
		return fmt.Errorf("%s has %d bytes; the maximum is %d", path, at.Size(), maxFile)
	}
	file, err := os.Open(path)
	if err != nil {
		return unreadable(path, err)
	}
	return file.Close()
}

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: permission denied: let this user read it", path)
	}
	return err
}

// absent explains the error of os.Stat.
func (o *opener) absent(what, path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return unreadable(path, err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := fmt.Sprintf("there is no %s %s", what, path)
	if to, failed := os.Readlink(path); failed == nil {
		text = fmt.Sprintf("%s is a link to %s, which is not there", path, to)
	} else if near := neighbour(path); near != "" {
		text += "; did you mean " + near + "?"
	}
	if o.maker {
		text += " (a process that writes it lists it under makes)"
	}
	return absentError(text)
}

// absentError says that a path leads to nothing.
type absentError string

func (e absentError) Error() string        { return string(e) }
func (e absentError) Is(target error) bool { return target == fs.ErrNotExist }

// neighbour is the name in the same folder that is nearest to an absent one; empty: none is near.
func neighbour(path string) string {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer folder.Close()
	const most = 1000
	names, _ := folder.Readdirnames(most) // what cannot be read is no hint
	slices.Sort(names)
	return nearest(filepath.Base(path), names)
}

// socket: one that is absent may appear, as a server behind an address may.
func (o *opener) socket(f File) error {
	if err := o.undecided(f.text); err != nil {
		return err
	}
	if at, err := os.Stat(f.Path); err == nil && at.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is no Unix socket", f.Path)
	}
	return nil
}

// program returns why a program cannot be run.
func (o *opener) program(f File) error {
	if strings.Contains(f.text, "/") || strings.Contains(f.text, "${") {
		if err := o.undecided(f.text); err != nil {
			return err
		}
	}
	path, err := exec.LookPath(faults.Program(o.folder, f.text))
	shown := drivers.ResolvePath(o.folder, f.text)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("there is no program %s in PATH", f.text)
	case errors.Is(err, fs.ErrNotExist):
		return o.absent("program", shown, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		if _, hidden := os.Stat(shown); errors.Is(hidden, fs.ErrPermission) {
			return unreadable(shown, hidden)
		}
		return fmt.Errorf("%s is not executable: chmod +x", shown)
	case err != nil:
		return fmt.Errorf("%s cannot be run: %w", shown, errors.Unwrap(err))
	}
	if line := interpreter(path); line != "" {
		return fmt.Errorf("%s: its first line names %s, which is not there", shown, line)
	}
	return nil
}

// interpreter is the program that the first line of a script names, if that program is absent. The system would call the script
// itself missing.
func interpreter(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return "" // it may be run all the same
	}
	defer file.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(file, head)
	line, is := bytes.CutPrefix(head[:n], []byte("#!"))
	line, _, whole := bytes.Cut(line, []byte("\n"))
	words := strings.Fields(strings.ReplaceAll(string(line), "\r", "\\r"))
	if !is || !whole || len(words) == 0 {
		return ""
	}
	if _, err := os.Stat(words[0]); errors.Is(err, fs.ErrNotExist) {
		return words[0]
	}
	return ""
}
