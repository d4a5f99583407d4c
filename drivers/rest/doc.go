// Package rest is the driver of HTTP: requests over HTTP/1.1 or HTTP/2, with or without TLS.
//
// The driver sends each request once. It follows no redirect unless told to, and asks for no compression. It resends one thing
// only: what an orderly end of an HTTP/2 connection turned away unread. These resends are counted.
//
// HTTP/1.1 is spoken by the package itself, one connection a session, with a strict reader of answers: a malformed answer is
// never acked. HTTP/2 goes by net/http, and its sessions share connections. On Linux one goroutine carries the plain requests
// of a fast open model (drivers.Loop). Chains, redirects and targets files hand the requests of several drivers to the same
// sessions.
package rest
