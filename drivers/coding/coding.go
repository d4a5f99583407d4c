// Package coding undoes the content codings of HTTP bodies (RFC 9110, 8.4): gzip, deflate, br and zstd.
package coding

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// most bounds the content codings of one body.
const most = 4

// ErrTooLarge is the error of a body that unpacks to more than the limit.
var ErrTooLarge = errors.New("the decoded body exceeds the limit")

// Undo returns a body as it was before the codings of its Content-Encoding, a list with commas. It needs at most limit bytes for
// the result, whatever the body unpacks to. The result may lie in the memory of spare, and free is memory for the next call. It is safe
// for concurrent use.
func Undo(codings string, body, spare []byte, limit int64) (plain, free []byte, err error) {
	if codings == "" || len(body) == 0 {
		return body, spare, nil
	}
	all := strings.Split(codings, ",")
	if len(all) > most {
		return body, spare, fmt.Errorf("more than %d content codings", most)
	}
	for i := len(all) - 1; i >= 0; i-- { // the last one was applied last
		if body, spare, err = undo(strings.ToLower(strings.TrimSpace(all[i])), body, spare, limit); err != nil {
			return body, spare, err
		}
	}
	return body, spare, nil
}

// undo undoes one content coding.
func undo(coding string, body, spare []byte, limit int64) (plain, free []byte, err error) {
	coding = strings.TrimPrefix(coding, "x-") // x-gzip (RFC 9110, 8.4.1.3)
	if coding == "identity" || coding == "" {
		return body, spare, nil
	}
	pool := unpackers[coding]
	if pool == nil {
		return body, spare, fmt.Errorf("content coding %.20q, which nobody here can read", coding)
	}
	r := pool.Get().(unpacker)
	defer pool.Put(r)
	if err = r.open(body); err == nil {
		out := bytes.NewBuffer(spare[:0])
		_, err = out.ReadFrom(io.LimitReader(r, limit+1))
		body, spare = out.Bytes(), body
	}
	switch {
	case int64(len(body)) > limit:
		return body, spare, ErrTooLarge
	case err != nil:
		return body, spare, fmt.Errorf("a body that is no %s: %w", coding, err)
	}
	return body, spare, nil
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

// zstdWindow bounds the memory that a body can ask for: 8 MiB is what RFC 8878 wants every decoder to have.
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
