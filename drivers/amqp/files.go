package amqp

import "strings"

// CheckFiles implements drivers.FileChecker.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	c.TLS.CheckFiles(folder, ready, problem)
	if c.BodyFile == "" || ready(c.BodyFile) != nil {
		return
	}
	source, compile, err := c.body(folder)
	if err == nil {
		_, err = compile(source)
	}
	if err != nil {
		problem("body_file", err.Error())
		return
	}
	if place, err := parseIDPlace(c.ID); err == nil && place.path != nil && !strings.Contains(source, "{{id}}") {
		problem("id", noID)
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
