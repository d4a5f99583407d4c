// Package toxi breaks network paths on the toxiproxy library, inside this process.
//
// The package uses the library's data path alone. Every connection over a link runs through two of the library's toxic links.
// Each has one toxic of ours in its chain, installed before the first connection and never touched again. The toxic follows
// rules that are swapped atomically. What the library does (v2.12.0) makes this necessary:
//
//   - Adding or removing a toxic under load can deadlock a proxy for good.
//   - Its accept loop dials the upstream one at a time without a timeout: one unreachable upstream stalls every client.
//   - A refused upstream looks like an accepted connection that closes.
//
// So a link accepts and dials by itself. Dial first connects to the target, with the caller's context, and only then joins a
// loopback connection to it. A dead target, an unknown host and a late answer to a SYN look to a driver as they do without a
// link. The target sees exactly one connection for each that the driver made.
//
// A connection over a link passes bytes in order and unchanged, or ends; it never skips any. Half-closing works from the
// target to the client, and not the other way: a client that ends its side has left, as for the library itself.
package toxi
