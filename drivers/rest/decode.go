package rest

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxCodings bounds the content codings of one answer.
const maxCodings = 4

// decode makes a.body what the target encoded, by the answer's Content-Encoding (RFC 9110, 8.4), and cuts off a byte order
// mark. The result has at most limit bytes, whatever the body unpacks to.
func (a *answer) decode(limit int64) error {
	if a.codings != "" && len(a.body) > 0 {
		codings := strings.Split(a.codings, ",")
		if len(codings) > maxCodings {
			return malformed("more than 4 content codings")
		}
		for i := len(codings) - 1; i >= 0; i-- { // the last one was applied last
			if err := a.unpack(strings.ToLower(strings.TrimSpace(codings[i])), limit); err != nil {
				return err
			}
		}
	}
	a.body = bytes.TrimPrefix(a.body, []byte("\ufeff"))
	return nil
}

// unpack undoes one content coding.
func (a *answer) unpack(coding string, limit int64) error {
	coding = strings.TrimPrefix(coding, "x-") // x-gzip (RFC 9110, 8.4.1.3)
	if coding == "identity" || coding == "" {
		return nil
	}
	pool := unpackers[coding]
	if pool == nil {
		return malformed(fmt.Sprintf("content coding %q, which no check can read", clip(coding, 20)))
	}
	r := pool.Get().(unpacker)
	defer pool.Put(r)
	err := r.open(a.body)
	if err == nil {
		out := bytes.NewBuffer(a.spare[:0])
		_, err = out.ReadFrom(io.LimitReader(r, limit+1))
		a.body, a.spare = out.Bytes(), a.body
	}
	switch {
	case int64(len(a.body)) > limit:
		return errTooLarge
	case err != nil:
		return malformed("a body that is no " + coding + ": " + err.Error())
	}
	return nil
}

// unpacker reads an encoded body.
type unpacker interface {
	io.Reader
	open(body []byte) error
}

// unpackers are kept, because one costs more memory than most bodies.
var unpackers = map[string]*sync.Pool{
	"gzip":    {New: func() any { return new(gunzip) }},
	"deflate": {New: func() any { return new(inflate) }},
	"br":      {New: func() any { return &unbrotli{brotli.NewReader(nil)} }},
	"zstd":    {New: func() any { return new(unzstd) }},
}

type gunzip struct{ gzip.Reader }

func (g *gunzip) open(body []byte) error { return g.Reset(bytes.NewReader(body)) }

// inflate reads deflate: in the zlib format, as the standard says, or bare, as some servers send it.
type inflate struct{ io.Reader }

func (i *inflate) open(body []byte) (err error) {
	if len(body) >= 2 && body[0]&15 == 8 && (int(body[0])<<8|int(body[1]))%31 == 0 {
		i.Reader, err = zlib.NewReader(bytes.NewReader(body))
		return err
	}
	i.Reader = flate.NewReader(bytes.NewReader(body))
	return nil
}

type unbrotli struct{ *brotli.Reader }

func (b *unbrotli) open(body []byte) error { return b.Reset(bytes.NewReader(body)) }

type unzstd struct{ *zstd.Decoder }

// zstdWindow bounds the memory that an answer can ask for: 8 MiB is what RFC 8878 wants every decoder to have.
const zstdWindow = 8 << 20

func (z *unzstd) open(body []byte) (err error) {
	if z.Decoder == nil {
		z.Decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return err
		}
	}
	return z.Reset(bytes.NewReader(body))
}

// clip shortens a text to about n bytes, and makes it one printable line.
func clip[T string | []byte](text T, n int) string {
	cut := len(text) > n
	if cut {
		text = text[:n]
	}
	line := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "")), " ")
	line = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, line)
	if cut {
		line += "..."
	}
	return line
}
