package grpc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protoreflect"

	"wringer/drivers"
	"wringer/drivers/payload"
)

// CheckFiles implements drivers.FileChecker. Without files the types are known once the target is asked.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	c.TLS.CheckFiles(folder, ready, problem)
	dialect, whole := c.Data.Check(folder, ready, problem)
	files := c.checkTypeFiles(folder, ready, problem)
	for _, p := range c.parts() {
		p.checkFiles(folder, ready, files, dialect, whole, p.below(problem))
	}
}

// checkFiles checks what a call has of its own. files are the types, nil if they are not known; whole says that the dialect is.
func (p *part) checkFiles(folder string, ready func(path string) error, files *typeFiles, dialect drivers.Dialect, whole bool, problem func(field, message string)) {
	readable := func(path string) bool { return ready(path) == nil }
	p.checkSchemas(folder, readable, problem)
	if p.MessageFile != "" {
		if !readable(p.MessageFile) {
			return
		}
		filled, err := p.filled(folder)
		if err != nil {
			problem("message_file", err.Error())
			return
		}
		if p.Config = filled; p.Stream != nil {
			p.Stream.check(p.listed(), problem)
		}
	}
	if files == nil || !whole || strings.Contains(p.Method, "${") {
		return
	}
	method, err := files.method(p.Method)
	if err != nil {
		problem("method", err.Error())
		return
	}
	p.checkAgainst(method, files, dialect.Capturing(p.step.captured), problem)
}

// filled is the configuration with the message that its file holds.
func (c *part) filled(folder string) (*Config, error) {
	if c.MessageFile == "" {
		return c.Config, nil
	}
	text, err := drivers.ReadFile(drivers.ResolvePath(folder, c.MessageFile))
	if err != nil {
		return nil, err
	}
	out := *c.Config
	if out.Message, err = payload.ParseFile(text); err != nil {
		return nil, fmt.Errorf("%s: %w", c.MessageFile, err)
	}
	return &out, payload.CheckTemplates(out.Message, c.Data.Dialect(nil).Capturing(c.step.captured))
}

// checkTypeFiles reads the files of the types. It returns nil when there are none to read yet, or after a problem.
func (c *Config) checkTypeFiles(folder string, ready func(path string) error, problem func(field, message string)) *typeFiles {
	if len(c.Protos) == 0 {
		if c.Descriptors == "" || ready(c.Descriptors) != nil {
			return nil
		}
		files, err := readDescriptors(drivers.ResolvePath(folder, c.Descriptors))
		if err != nil {
			problem("descriptors", strings.TrimPrefix(err.Error(), "descriptors: "))
		}
		return files
	}
	names, paths := c.sources(folder)
	if !checkSources(folder, names, paths, ready, problem) {
		return nil
	}
	const most = 20
	told := 0
	files, err := compileProtos(context.Background(), names, paths, func(err reporter.ErrorWithPos) error {
		if told++; told > most {
			return err
		}
		problem("protos", err.Error())
		return nil
	})
	if err != nil && told == 0 {
		problem("protos", err.Error())
	}
	return files
}

// checkSources looks for each of the protos in the import paths. It returns false when one of them is absent, or made later.
func checkSources(folder string, names, paths []string, ready func(path string) error, problem func(field, message string)) bool {
	whole := true
	for i, name := range names {
		found, later := false, false
		var reasons []string
		for _, p := range paths {
			err := ready(within(folder, filepath.Join(p, name)))
			switch {
			case err == nil, strings.HasPrefix(name, "google/protobuf/"):
				found = true
			case errors.Is(err, drivers.ErrLater):
				later = true
			case !errors.Is(err, fs.ErrNotExist):
				reasons = append(reasons, err.Error())
			}
		}
		if whole = whole && found; found || later {
			continue
		}
		if len(reasons) == 0 {
			reasons = []string{fmt.Sprintf("there is no file %s in %s", name, strings.Join(paths, ", "))}
		}
		problem(fmt.Sprintf("protos[%d]", i), strings.Join(reasons, "; "))
	}
	return whole
}

// within is a path below the folder as a scenario writes it; an absolute one stays.
func within(folder, path string) string {
	if inner, err := filepath.Rel(folder, path); err == nil {
		return inner
	}
	return path
}

// checkAgainst checks what must fit the method: stream, message and metadata.
func (c *part) checkAgainst(method protoreflect.MethodDescriptor, files *typeFiles, dialect drivers.Dialect, problem func(field, message string)) {
	tell := func(err error) {
		if err = payload.Tell(err, problem); err != nil {
			problem("message", err.Error())
		}
	}
	messages, err := c.messages(method)
	if err != nil {
		tell(err)
		return
	}
	if method.IsStreamingClient() || method.IsStreamingServer() {
		stream := c.Stream
		if stream == nil {
			stream = &Stream{}
		}
		if _, err := newFlow(stream, len(messages), method); err != nil {
			tell(err)
		}
	}
	sound := true
	compiler := &payload.Compiler{Env: &drivers.Env{Epoch: time.Now}, Dialect: dialect, Types: files.types, Later: c.step.captured.In}
	compiler.Problem = func(path, message string) {
		sound = false
		problem(path, message)
	}
	if _, err := c.answers(method, files.types, compiler, "", func(string) bool { return false }); err != nil {
		tell(err)
	}
	compiled, err := compileMessages(compiler, method.Input(), messages)
	if err != nil {
		tell(err)
		return
	}
	if !sound || compiler.Late() {
		return
	}
	if err := decodable(compiled, method); err != nil {
		tell(err)
	}
}
