// Package unary makes unary gRPC calls over HTTP/2 with little more than what has to go over the wire: the plain path of the gRPC
// driver. Frames are read by x/net's Framer and headers compressed by its hpack; what is here is the state of connections and
// calls, which the answer itself tells of: a status that came is the target's, and nothing has to be guessed from words.
//
// It follows "gRPC over HTTP2" (the grpc project's PROTOCOL-HTTP2) and RFC 9113, and connects, waits and resends as grpc-go does
// with the policy pick_first and retries disabled, so that both paths of the driver measure the same.
// It is stricter in two things: what a target began to answer is not sent again, and a target that breaks the protocol is not
// believed any more. Either way a call is then indeterminate.
package unary
