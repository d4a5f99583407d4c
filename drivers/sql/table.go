package sql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"wringer/drivers"
	"wringer/drivers/effect"
)

const kinds = "write postgres://USER:PASSWORD@HOST:PORT/NAME or mysql://USER:PASSWORD@HOST:PORT/NAME; a SQLite file has the key file"

// open prepares a database. It dials nothing. Errors never hold the URL: it may hold a password. A URL with variables of the target
// is looked at once they are known.
func (c *Config) open(folder string, dial drivers.DialFunc) (*sql.DB, error) {
	text := c.URL
	if c.File != "" {
		path := (&url.URL{Path: drivers.ResolvePath(folder, c.File)}).EscapedPath()
		return one(sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(5000)&_pragma=query_only(1)"))
	}
	scheme, _, _ := strings.Cut(text, "://")
	switch scheme {
	case "postgres", "postgresql", "mysql", "mariadb":
	default:
		return nil, errors.New("names no known database: " + kinds)
	}
	if strings.Contains(text, "${") {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("is no URL: " + kinds + "; write a sign of the password that means something in a URL as %XX")
	}
	if scheme == "postgres" || scheme == "postgresql" {
		return openPostgres(u, folder, dial)
	}
	return openMySQL(u, dial)
}

// one bounds the connections of a database to the one that a reading takes.
func one(db *sql.DB, err error) (*sql.DB, error) {
	if err == nil {
		db.SetMaxOpenConns(1)
		db.SetMaxIdleConns(1)
	}
	return db, err
}

func openMySQL(u *url.URL, dial drivers.DialFunc) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName, c.User = "tcp", u.Host, strings.TrimPrefix(u.Path, "/"), u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.ParseTime, c.Loc, c.TLSConfig = true, time.UTC, u.Query().Get("tls")
	if u.Port() == "" {
		c.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	c.Logger = silent{}
	if dial != nil {
		c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(ctx, network, address)
		}
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, errors.New("is no URL of MySQL: look at its parameters; tls may be true, skip-verify or preferred")
	}
	return one(sql.OpenDB(connector), nil)
}

// silent drops what the driver would write to stderr: its errors come back as errors.
type silent struct{}

func (silent) Print(...any) {}

// table reads the rows of a query.
type table struct {
	db      *sql.DB
	query   string
	columns []string // that the fields name
}

var _ effect.Whole = (*table)(nil)

// Read implements effect.Whole: one query in one transaction, whose snapshot is that of the query.
func (t *table) Read(ctx context.Context, item func(effect.Field) error) error {
	tx, err := t.db.BeginTx(ctx, t.options())
	if err != nil {
		return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
	}
	defer tx.Rollback() // nothing was written
	rows, err := tx.QueryContext(ctx, t.query)
	if err != nil {
		return classify(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return classify(err)
	}
	for _, name := range t.columns {
		switch n := count(names, name); {
		case n == 0:
			return fmt.Errorf("%w: the query gives no column %s; it gives %s", drivers.ErrConfig, name, strings.Join(names, ", "))
		case n > 1:
			return fmt.Errorf("%w: the query gives %d columns named %s; name one of them otherwise (AS)", drivers.ErrConfig, n, name)
		}
	}
	padded, err := paddedColumns(rows)
	if err != nil {
		return classify(err)
	}
	if err := each(rows, names, padded, item); err != nil {
		return err
	}
	return classify(rows.Err())
}

// options are those of the transaction. A transaction of SQLite is a snapshot, and its file is open for reading alone.
func (t *table) options() *sql.TxOptions {
	if strings.HasPrefix(fmt.Sprintf("%T", t.db.Driver()), "*sqlite") {
		return nil
	}
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

// paddedColumns tells which columns PostgreSQL fills up with blanks, as CHAR(40). In no comparison of the database do these count.
func paddedColumns(rows *sql.Rows) (padded []bool, err error) {
	types, err := rows.ColumnTypes()
	for _, t := range types {
		padded = append(padded, t.DatabaseTypeName() == "BPCHAR")
	}
	return padded, err
}

// each visits the rows.
func each(rows *sql.Rows, names []string, padded []bool, item func(effect.Field) error) error {
	cells := make([]sql.RawBytes, len(names))
	into := make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	field := func(name string) ([]byte, bool) {
		i := slices.Index(names, name)
		if padded[i] && cells[i] != nil {
			return bytes.TrimRight(cells[i], " "), true
		}
		return cells[i], cells[i] != nil
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := item(field); err != nil {
			return err
		}
	}
	return nil
}

func count(names []string, name string) (n int) {
	for _, other := range names {
		if other == name {
			n++
		}
	}
	return n
}

// classify tells the scenario's errors from those of a database that is away.
func classify(err error) error {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "42") || pg.Code == "3D000"), // syntax, names and rights
		errors.As(err, &my) && slices.Contains([]uint16{1054, 1064, 1142, 1143, 1146}, my.Number),
		strings.Contains(err.Error(), "SQL logic error"):
		return fmt.Errorf("%w: query: %w", drivers.ErrConfig, err)
	}
	return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
}

// Close implements effect.Whole.
func (t *table) Close() error { return t.db.Close() }
