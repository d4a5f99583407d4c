// Package traffic sends the operations of one stream: it plans their starts, runs their attempts and retries, and reports
// each finished operation.
package traffic
