// Package live serves the report of a run while the run goes on: the same page, which changes by server-sent events. It is read-only.
//
// Each watcher has a number alone: the last edition that it got. It is sent the pieces of the page that changed since. So a slow watcher
// skips editions, one that lost its connection goes on where it was, and memory holds one edition however many watch. A page is rendered
// only while somebody watches.
package live
