// Package sql reads effects from a database by a query: PostgreSQL, MySQL or MariaDB, or a SQLite file. Each reading is one query in
// a read-only transaction of repeatable read: a whole snapshot. A cursor on ids would miss what commits late, and would claim losses.
package sql

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"wringer/drivers"
	"wringer/drivers/effect"
)

// Config is the `sql:` part of `effects:`.
type Config struct {
	URL   string `yaml:"url" jsonschema_description:"The database: postgres://USER:PASSWORD@HOST:PORT/NAME, or mysql://USER:PASSWORD@HOST:PORT/NAME (MariaDB too). Write a password as ${env.NAME}; it is never recorded, however it is written. The URL alone says where the database is and who asks: no variable of the environment does."`
	File  string `yaml:"file" path:"later" jsonschema_description:"In place of url: a SQLite file, relative to the scenario."`
	Query string `yaml:"query" jsonschema:"required" jsonschema_description:"One SELECT that gives a row for each effect. The other keys name its columns."`

	effect.Fields   `yaml:",inline"`
	effect.Readings `yaml:",inline"`
}

// Check implements drivers.SourceConfig.
func (c *Config) Check(problem func(field, message string)) {
	if (c.URL == "") == (c.File == "") {
		problem("", "takes one of url and file")
	} else if db, err := c.open("", nil); err != nil {
		problem("url", err.Error())
	} else if db != nil {
		db.Close()
	}
	if !reads(c.Query) {
		problem("query", "must be one SELECT (or WITH ... SELECT): a reading changes nothing")
	}
	c.Fields.Check(checkColumn, problem)
	c.Readings.Check(problem)
}

// reads says that a query is one that only reads. The transaction is read-only too.
func reads(query string) bool {
	words := strings.Fields(query)
	if len(words) == 0 || strings.Contains(strings.TrimRight(strings.TrimSpace(query), ";"), ";") && !strings.Contains(query, "'") {
		return false
	}
	first := strings.ToLower(strings.TrimLeft(words[0], "("))
	return first == "select" || first == "with" || strings.HasPrefix(first, "${")
}

func checkColumn(name string) error {
	if strings.HasPrefix(name, "$") {
		return fmt.Errorf("%q is no column: write its name, without a path", name)
	}
	return nil
}

// CheckFiles implements drivers.FileChecker: the file of SQLite must be there.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	if c.File == "" || strings.Contains(c.File, "${") {
		return
	}
	at, err := os.Stat(drivers.ResolvePath(folder, c.File))
	if err == nil && at.Mode().IsRegular() {
		return // however large it is
	}
	if err := ready(c.File); err != nil && !errors.Is(err, drivers.ErrLater) {
		problem("file", err.Error())
	}
}

// Describe implements drivers.SourceConfig.
func (c *Config) Describe() drivers.SourceDescription {
	return drivers.SourceDescription{
		Place: c.where(), Gauges: effect.SnapshotGauges(), Counters: effect.SnapshotGauges(), Cannot: c.Limits(&c.Fields), Matched: c.Matched(),
	}
}

// where is the database in words, without the user and the password.
func (c *Config) where() string {
	if c.File != "" {
		return "sqlite " + filepath.Base(c.File)
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return "a database"
	}
	return u.Scheme + " " + u.Host + u.Path
}

// Secrets implements drivers.Secretive.
func (c *Config) Secrets() []string {
	_, rest, found := strings.Cut(c.URL, "://")
	at := strings.LastIndex(rest, "@")
	if !found || at < 0 {
		return nil
	}
	if _, password, ok := strings.Cut(rest[:at], ":"); ok && password != "" {
		return []string{":" + password + "@"}
	}
	return nil
}

// Open implements drivers.SourceConfig. It dials nothing.
func (c *Config) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	db, err := c.open(env.Files, env.Direct)
	if err != nil {
		return nil, fmt.Errorf("%w: url: %w", drivers.ErrConfig, err)
	}
	reader, err := c.Fields.Open(env)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return effect.NewSnapshot(c.where(), env, reader, c.Readings, &table{db: db, query: c.Query, columns: c.Columns()}), nil
}
