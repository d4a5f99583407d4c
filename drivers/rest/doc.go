// Package rest is the driver of HTTP: requests over HTTP/1.1 or HTTP/2, with or without TLS.
//
// The driver sends each request once. It follows redirects only if told to, and asks for no compression. It resends a
// request in one case only: the server ended an HTTP/2 connection in good order and did not read the request. These
// resends are counted.
//
// The package has its own HTTP/1.1 client, with one connection a session and a strict reader of answers: a malformed
// answer is never acked. HTTP/2 uses net/http, and its sessions share connections. On Linux one goroutine sends the
// plain requests of a fast open model (drivers.Poller). For chains, redirects and targets files, several drivers use
// the same sessions.
package rest
