// Package toxi breaks network paths by the toxiproxy library, inside this process.
//
// The package uses only the library's data path. Every connection over a link runs through two of the library's toxic
// links. Each has one toxic of this package in its chain. The toxic is installed before the first connection and
// never changed. It follows rules that are replaced atomically. Three properties of the library (v2.12.0) make this
// necessary:
//
//   - Adding or removing a toxic under load can deadlock a proxy for good.
//   - Its accept loop dials the upstream one at a time without a timeout: one unreachable upstream stalls every client.
//   - A refused upstream looks like an accepted connection that closes.
//
// So a link accepts and dials by itself. Dial first connects to the target, with the caller's context, and then joins
// a loopback connection to it. A dead target, an unknown host and a slow handshake look to a driver as they do
// without a link. The target sees exactly one connection for each that the driver made.
//
// A connection over a link passes bytes in order and unchanged, or ends; it never skips any. Half-closing works from
// the target to the client, but not in the other direction. As in the library itself, a client that closes its side
// has left.
package toxi
