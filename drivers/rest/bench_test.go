package rest

import (
	"bufio"
	"context"
	"net"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/http1"
)

// BenchmarkDo is a whole attempt over loopback, against a server that costs almost nothing.
func BenchmarkDo(b *testing.B) { benchmarkDo(b, drivers.Driver.Session) }

func benchmarkDo(b *testing.B, session func(drivers.Driver) (drivers.Session, error)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go answerBlindly(c)
		}
	}()
	c := &Config{Request: "POST http://" + listener.Addr().String() + "/orders/{{id}}", Body: `{"id":"{{id}}","n":{{int 1 9}}}`,
		Headers: map[string]string{"Idempotency-Key": "{{id}}", "Content-Type": "application/json"}}
	d, err := c.Open(b.Context(), drivertest.NewEnv(b, time.Now()))
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	s, err := session(d)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	// All attempts share a context, because the cost of a context is not the driver's.
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	var at drivers.Attempt
	var op drivers.Op
	b.ReportAllocs()
	for b.Loop() {
		op.Seq++
		at.Reset(1, 0)
		s.Do(ctx, &op, &at)
		if at.Outcome != drivers.Acked {
			b.Fatal(at)
		}
	}
}

// answerBlindly answers every request of a connection without reading it.
func answerBlindly(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	said := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}")
	body := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if n, found := cutLength(line); found {
			body = n
		}
		if len(line) > 2 {
			continue
		}
		if _, err := in.Discard(body); err != nil {
			return
		}
		if _, err := c.Write(said); err != nil {
			return
		}
	}
}

func cutLength(line []byte) (int, bool) {
	const name = "Content-Length: "
	if len(line) < len(name)+3 || string(line[:len(name)]) != name {
		return 0, false
	}
	n, ok := http1.Length(line[len(name) : len(line)-2])
	return int(n), ok
}

// BenchmarkAnswer reads an answer from memory.
func BenchmarkAnswer(b *testing.B) {
	text := "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 24 Nov 2026 18:04:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 11\r\nConnection: keep-alive\r\n\r\n{\"ok\":true}"
	c := newConn(script{}, nil, false)
	r := reader{c: c, evaluator: &evaluator{}, a: &answer{}, maxBody: 1 << 10}
	b.ReportAllocs()
	for b.Loop() {
		c.r, c.w = 0, copy(c.buf, text)
		if err := r.read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
