package kafka

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/drivers/payload"
)

// CheckFiles implements drivers.FileChecker. A schema that only the registry has is known once it is asked.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	c.TLS.CheckFiles(folder, ready, problem)
	in, whole := c.Data.Check(folder, ready, problem)
	if !whole {
		return
	}
	c.checkColumns(folder, ready, in, problem)
	if c.Schema == nil || c.Schema.file() == "" || ready(c.Schema.file()) != nil {
		return
	}
	field := "schema.avro"
	if c.Schema.Protobuf != "" {
		field = "schema.protobuf"
	}
	found := &foundSchema{id: c.Schema.ID}
	if err := c.Schema.read(folder, found); err != nil {
		problem(field, err.Error())
		return
	}
	kind, err := found.compile(context.Background(), c.Schema.Type)
	if err != nil {
		if text, is := strings.CutPrefix(err.Error(), "type: "); is {
			problem("schema.type", text)
			return
		}
		problem(field, err.Error())
		return
	}
	value := c.Message
	if value == nil {
		value = map[string]any{}
	}
	kind.check(value, in, problem)
}

// checkColumns compiles the texts once the columns of data are known. Without data Check has compiled all but the file.
func (c *Config) checkColumns(folder string, ready func(path string) error, in drivers.Dialect, problem func(field, message string)) {
	if c.ValueFile == "" || ready(c.ValueFile) == nil {
		if _, err := c.valueTemplate(folder, in); err != nil {
			field := "value"
			if c.ValueFile != "" {
				field = "value_file"
			}
			problem(field, err.Error())
		}
	}
	if c.Data == nil {
		return
	}
	texts := map[string]string{"key": c.Key}
	for name, text := range c.Headers {
		texts["headers."+name] = text
	}
	for _, field := range slices.Sorted(maps.Keys(texts)) {
		if _, err := in.Compile(texts[field]); err != nil {
			problem(field, err.Error())
		}
	}
}

// CheckFiles implements drivers.FileChecker.
func (e *Effect) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	e.TLS.CheckFiles(folder, ready, problem)
}

// CheckFiles implements drivers.FileChecker.
func (c *Consume) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	c.TLS.CheckFiles(folder, ready, problem)
}

// check tells every problem of a message.
func (e *encoding) check(v any, in drivers.Dialect, problem func(field, message string)) {
	sound := true
	compiler := &payload.Compiler{Env: &drivers.Env{Epoch: time.Now}, Dialect: in}
	compiler.Problem = func(path, message string) {
		sound = false
		problem(path, message)
	}
	m, err := e.message(compiler, v)
	if err == nil && sound && !compiler.Late() {
		var b []byte
		if b, err = m.Append(nil, new(drivers.Op)); err == nil {
			err = e.decodes(b)
		}
	}
	if err != nil {
		if err = payload.Tell(err, problem); err != nil {
			problem("message", err.Error())
		}
	}
}
