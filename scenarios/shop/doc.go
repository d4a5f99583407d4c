// Package shop is the embedded target: a small, real order system with a REST, a gRPC and a Kafka interface on loopback
// ports. The shop is honest by default, and has defects that can be switched on one by one.
//
//	POST /orders -> orders --Reserve--> inventory --> topic inventory-calls
//	                  |
//	                  +--> topic order-events --> fulfilment --> topic shipments
//
// The honest shop promises: an order that was answered 201 was reserved and published exactly once, whatever was retried.
// Every event is shipped exactly once. Events and shipments of a customer keep their order.
package shop
