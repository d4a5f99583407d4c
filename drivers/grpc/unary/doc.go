// Package unary makes unary gRPC calls over HTTP/2, with few bytes beside those that the protocol needs. It is the
// plain path of the gRPC driver. x/net reads the frames and compresses the headers. This package holds the state of
// connections and calls. A status that arrived is the target's, and nothing has to be guessed from error texts.
//
// The package follows "gRPC over HTTP2" (the grpc project's PROTOCOL-HTTP2) and RFC 9113. It connects, waits and
// resends as grpc-go with the policy pick_first and without retries, so that both paths of the driver
// measure the same. It is stricter in two ways. It does not resend a call that the target began to answer. It drops a
// connection whose target breaks the protocol. In both cases the call is indeterminate.
package unary
