package coding

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// packers are the other way round. The library's own writers make them.
var packers = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"bare":    func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, flate.DefaultCompression); return f },
	"br":      func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
	"zstd":    func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
}

// named is the coding that a packer's result is announced with.
func named(packer string) string { return strings.Replace(packer, "bare", "deflate", 1) }

func pack(t testing.TB, body []byte, coding string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := packers[coding](&out)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUndo(t *testing.T) {
	body := bytes.Repeat([]byte("orders and stock, "), 500)
	size := int64(len(body))
	for coding := range packers {
		packed := pack(t, body, coding)
		if plain, _, err := Undo(named(coding), packed, nil, size); err != nil || !bytes.Equal(plain, body) {
			t.Errorf("%s: %d bytes, %v", coding, len(plain), err)
		}
		if _, _, err := Undo(named(coding), packed, nil, size-1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s, one byte above the limit: %v", coding, err)
		}
		if _, _, err := Undo(named(coding), packed[:len(packed)/2], nil, size); err == nil || errors.Is(err, ErrTooLarge) {
			t.Errorf("%s, cut in half: %v", coding, err)
		}
	}
	both := pack(t, pack(t, body, "br"), "gzip")
	plain, spare, err := Undo("BR , x-GZIP, identity", both, nil, size)
	if err != nil || !bytes.Equal(plain, body) {
		t.Errorf("two codings: %d bytes, %v", len(plain), err)
	}
	if again, _, err := Undo("gzip", pack(t, []byte("next"), "gzip"), spare, size); err != nil || string(again) != "next" {
		t.Errorf("with memory of the call before: %q, %v", again, err)
	}
	for _, bad := range []string{"compress", "gzip,gzip,gzip,gzip,gzip", "gzip, br"} {
		if _, _, err := Undo(bad, pack(t, body, "gzip"), nil, size); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// FuzzUndo: no body makes it panic, or give more than the limit.
func FuzzUndo(f *testing.F) {
	for coding := range packers {
		f.Add(named(coding), pack(f, []byte("some text, some text"), coding))
	}
	f.Fuzz(func(t *testing.T, codings string, body []byte) {
		const limit = 1 << 12
		plain, _, err := Undo(codings, body, nil, limit)
		if err == nil && codings != "" && len(plain) > max(limit, len(body)) {
			t.Errorf("%d bytes", len(plain))
		}
	})
}
