// Package checks holds what streams check of answers, whatever the protocol: conditions on a JSON document, regular expressions that may
// hold {{...}}, and checks with names.
package checks
