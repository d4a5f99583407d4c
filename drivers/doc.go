// Package drivers holds the nouns of traffic: operations, attempts and their outcomes. A protocol implements its small
// interfaces; each protocol is a package below it. This package needs the standard library alone.
//
// An Op is one logical intent with an identity. An Attempt is one transmission of it, and ends as Acked (it took effect),
// Rejected (it surely did not) or Indeterminate (it may have). docs/outcomes.md says which answer means what.
//
//	Config --Open--> Driver --Session--> Session.Do(op, attempt)    one attempt at a time
//	                    |
//	                    +--> Pipeline.Send(op, attempt, done)       attempts complete in an order of their own
//	                    +--> Poller.Send, Poller.Await              attempts on the goroutine that paces them
//
//	SourceConfig --Open--> Source.Receive(deliver)                  where operations show up
//
// Drivers never retry and never see links: Env.Dial makes the connections. Templates, identities and keys are pure functions
// of the seed and the operation's number. So a retry carries the same bytes, and a run can be repeated.
package drivers
