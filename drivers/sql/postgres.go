package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"wringer/drivers"
)

// elsewhere are the parameters that would take a place or a secret from elsewhere than the URL, which alone is checked and hidden.
var elsewhere = []string{"host", "hostaddr", "port", "user", "password", "database", "dbname", "passfile", "service", "servicefile"}

// filed are the parameters that name files, relative to the scenario.
var filed = []string{"sslcert", "sslkey", "sslrootcert"}

// openPostgres opens the database of a URL. The URL alone says where it is and who asks: neither variables of the environment
// (PGPASSWORD) nor the user's own files (.pgpass) do. Without a dial function no file is read.
func openPostgres(u *url.URL, folder string, dial drivers.DialFunc) (*sql.DB, error) {
	c, err := postgres(u, folder, dial)
	if err != nil {
		return nil, err
	}
	return one(stdlib.OpenDB(*c), nil)
}

func postgres(u *url.URL, folder string, dial drivers.DialFunc) (*pgx.ConnConfig, error) {
	query := u.Query()
	for name := range query {
		if slices.Contains(elsewhere, strings.ToLower(name)) {
			return nil, fmt.Errorf("has the parameter %s: write postgres://USER:PASSWORD@HOST:PORT/NAME, with ${env.NAME} for a secret", name)
		}
	}
	for _, name := range filed {
		switch {
		case !names(query, name):
		case dial == nil:
			query.Del(name)
		default:
			query.Set(name, drivers.ResolvePath(folder, query.Get(name)))
		}
	}
	told := *u
	told.RawQuery = query.Encode()
	c, err := pgx.ParseConfig(told.String())
	if err != nil {
		return nil, errors.New("is no URL of PostgreSQL: look at its port and its parameters")
	}
	c.Password, _ = u.User.Password()
	if dial != nil {
		c.DialFunc = pgconn.DialFunc(dial)
		c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	return c, nil
}

// names says that a parameter names a file. The authorities of the system are none.
func names(query url.Values, parameter string) bool {
	path := query.Get(parameter)
	return path != "" && (parameter != "sslrootcert" || path != "system")
}

// Imports implements drivers.Importer: the files that the parameters of a URL name.
func (c *Config) Imports(folder string) (paths []string) {
	_, parameters, _ := strings.Cut(c.URL, "?") // the rest may hold variables
	query, _ := url.ParseQuery(parameters)      // what it does not understand is never opened
	for _, name := range filed {
		if names(query, name) {
			paths = append(paths, drivers.ResolvePath(folder, query.Get(name)))
		}
	}
	return paths
}
