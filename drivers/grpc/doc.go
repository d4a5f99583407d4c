// Package grpc is the driver of gRPC. Each operation is one call, of any of the four kinds of method.
//
// The driver makes no retry by policy. Resends of the client library are counted. Unary calls go by package unary, unless the
// scenario asks for what only grpc-go has: a service config, keepalive, compression or round_robin. Streaming calls go by
// grpc-go; a streaming call is one operation, and its messages are counted beside it.
//
// A status counts as the target's word only when it came over the wire. Statuses that the library made itself, and answers
// that contradict themselves, are indeterminate.
package grpc
