// Package grpc is the driver of gRPC. Each operation is one call, of any of the four kinds of method.
//
// The driver makes no retry by policy. It counts resends of the client library. Unary calls use package unary, unless
// the scenario needs a feature of grpc-go: a service config, keepalive, compression or round_robin. Streaming calls
// use grpc-go. A streaming call is one operation, and its messages are counted besides.
//
// A status counts as the target's answer only if it came over the wire. Statuses that the library made itself, and
// answers that contradict themselves, are indeterminate.
package grpc
