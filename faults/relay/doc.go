// Package relay lets a process listen in a network that cannot reach it: a relay in that network takes the connections, and hands
// them on over one connection that the process opens to the relay.
//
// One multiplexed stream is one connection. Its end in one direction is the end of the connection's direction. A stream cannot tell
// a reset, so that a message of the first stream does.
package relay
