package faults

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// ErrForeign says that a journal was not written on this machine, by this user and in its present folder, or was changed since.
// Nothing of it was carried out.
var ErrForeign = errors.New("the journal was not written here by this user, or was changed since")

// seal binds the lines of a journal to this machine, this user and the journal's folder. Each line's mac covers the lines before it,
// so that none can be changed, added, moved or left out in the middle. Not safe for concurrent use.
type seal struct {
	key    []byte
	place  string
	before []byte // the mac of the line before
}

// newSeal opens the seal of a journal in dir. The key is made at the first use.
func newSeal(dir string) (*seal, error) {
	key, err := stateKey()
	if err != nil {
		return nil, fmt.Errorf("key of journals: %w; name a folder of your own in XDG_STATE_HOME", err)
	}
	whole, err := filepath.Abs(dir)
	if err == nil {
		whole, err = filepath.EvalSymlinks(whole)
	}
	if err != nil {
		return nil, err
	}
	machine, _ := os.ReadFile("/etc/machine-id")
	host, _ := os.Hostname()
	place, err := json.Marshal([]string{string(machine), host, strconv.Itoa(os.Getuid()), whole})
	return &seal{key: key, place: string(place)}, err
}

// mac is the mac of the next line, which holds e. It does not depend on the mac that e carries.
func (s *seal) mac(e entry) (string, error) {
	e.MAC = ""
	line, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, s.key)
	fmt.Fprintf(h, "%d:%s%d:%s%d:%s", len(s.place), s.place, len(s.before), s.before, len(line), line)
	s.before = h.Sum(nil)
	return hex.EncodeToString(s.before), nil
}

// last is the mac of the line before; back goes back to one. A nil seal has none.
func (s *seal) last() []byte {
	if s == nil {
		return nil
	}
	return s.before
}

func (s *seal) back(to []byte) {
	if s != nil {
		s.before = to
	}
}

// holds says whether the next line of a journal, which holds e, is sealed.
func (s *seal) holds(e entry) bool {
	want, err := s.mac(e)
	return err == nil && hmac.Equal([]byte(want), []byte(e.MAC))
}

const (
	keyFile  = "journal.key"
	keyBytes = 32
)

// stateKey reads the user's key, and makes one where there is none. Its file is readable by the user alone.
func stateKey() ([]byte, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	dir = filepath.Join(dir, "wringer")
	path := filepath.Join(dir, keyFile)
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := makeKey(dir, path); err != nil {
		return nil, err
	}
	return readKey(path)
}

// makeKey makes the key's file, which appears whole. Of two runs that make it at once one comes first, and both use its key.
func makeKey(dir, path string) error {
	temp, err := os.CreateTemp(dir, ".key-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	key := make([]byte, keyBytes)
	rand.Read(key)
	_, err = temp.Write(key)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// readKey refuses a key that somebody else can read or has made.
func readKey(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	at, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !at.Mode().IsRegular() || foreign(at) {
		return nil, fmt.Errorf("%s must be a file of this user that nobody else can read (chmod 600)", path)
	}
	key := make([]byte, keyBytes+1)
	if n, _ := file.Read(key); n != keyBytes {
		return nil, fmt.Errorf("%s does not hold %d bytes: remove it", path, keyBytes)
	}
	return key[:keyBytes], nil
}
