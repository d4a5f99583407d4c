// Package netcut cuts containers off: from each other, by dropping their packets, and from all networks.
package netcut
