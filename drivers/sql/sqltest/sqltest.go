// Package sqltest runs database servers for tests, of what Debian's packages postgresql and mariadb-server hold. Each server has a
// folder and a port of its own, listens on loopback, and ends with its test. A test without the server skips itself and says so.
package sqltest

import (
	"bytes"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// password is that of the user of each server.
const password = "s3cret-pw"

// Postgres starts a PostgreSQL and returns the URL of its database.
func Postgres(t testing.TB) string {
	t.Helper()
	binaries := installed(t, "/usr/lib/postgresql/*/bin/initdb", "postgresql")
	run := newServer(t, "postgres")
	pw := filepath.Join(run.dir, "pw")
	run.write(pw, password)
	data := filepath.Join(run.dir, "data")
	run.once(filepath.Join(binaries, "initdb"), "-D", data, "-U", "wringer", "--auth=scram-sha-256", "--pwfile="+pw, "--no-sync", "-E", "UTF8")
	run.start(filepath.Join(binaries, "postgres"), "-D", data, "-p", run.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+run.dir, "-c", "fsync=off")
	url := fmt.Sprintf("postgres://wringer:%s@127.0.0.1:%s/postgres", password, run.port)
	run.await("pgx", url)
	return url
}

// MariaDB starts a MariaDB and returns the URL of its database.
func MariaDB(t testing.TB) string {
	t.Helper()
	binaries := installed(t, "/usr/sbin/mariadbd", "mariadb-server")
	run := newServer(t, "mysql")
	data, script := filepath.Join(run.dir, "data"), filepath.Join(run.dir, "init.sql")
	run.write(script, "CREATE DATABASE shop;\nCREATE USER 'wringer'@'127.0.0.1' IDENTIFIED BY '"+password+"';\nGRANT ALL ON shop.* TO 'wringer'@'127.0.0.1';\n")
	run.once("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	run.start(filepath.Join(binaries, "mariadbd"), "--no-defaults", "--datadir="+data, "--port="+run.port, "--bind-address=127.0.0.1",
		"--socket="+filepath.Join(run.dir, "s"), "--pid-file="+filepath.Join(run.dir, "pid"), "--skip-name-resolve", "--init-file="+script)
	run.await("mysql", fmt.Sprintf("wringer:%s@tcp(127.0.0.1:%s)/shop", password, run.port))
	return fmt.Sprintf("mysql://wringer:%s@127.0.0.1:%s/shop", password, run.port)
}

// installed is the folder of a server's programs. It skips the test when the package is missing.
func installed(t testing.TB, pattern, pack string) string {
	t.Helper()
	found, _ := filepath.Glob(pattern)
	if len(found) == 0 {
		t.Skipf("SKIPPED: there is no %s: apt-get install %s", pattern, pack)
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// server is one server of a test.
type server struct {
	t     testing.TB
	dir   string // short: it holds a socket
	port  string
	as    *syscall.SysProcAttr // the user; nil: that of the test
	ended chan struct{}
	said  bytes.Buffer
}

// newServer makes a folder and finds a port. Servers refuse to run as root: then they run as their package's user.
func newServer(t testing.TB, account string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "wr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{t: t, dir: dir, ended: make(chan struct{})}
	if os.Getuid() == 0 {
		u, err := user.Lookup(account)
		if err != nil {
			t.Skipf("SKIPPED: the server needs a user other than root: %v", err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		s.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	l.Close()
	return s
}

func (s *server) write(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) command(program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir, c.SysProcAttr = s.dir, s.as
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+s.dir, "TMPDIR="+s.dir)
	return c
}

func (s *server) once(program string, args ...string) {
	s.t.Helper()
	if out, err := s.command(program, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// start starts the server, and ends it with the test.
func (s *server) start(program string, args ...string) {
	s.t.Helper()
	c := s.command(program, args...)
	c.Stdout, c.Stderr = &s.said, &s.said
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { defer close(s.ended); c.Wait() }()
	s.t.Cleanup(func() {
		c.Process.Signal(syscall.SIGINT) // postgres: fast; mariadbd: as SIGTERM
		c.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(20 * time.Second):
			c.Process.Kill()
			<-s.ended
		}
	})
}

// await waits until the server answers.
func (s *server) await(driver, dsn string) {
	s.t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for range 300 {
		if err = db.Ping(); err == nil {
			return
		}
		select {
		case <-s.ended:
			s.t.Fatalf("the server ended: %s", s.said.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	s.t.Fatalf("the server does not answer: %v", err)
}
