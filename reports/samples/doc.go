// Package samples writes the attempts of a run to a file while it goes on, one a row: Parquet, CSV, or JSON lines in zstd. Row has the
// columns. All other facts of a run are in its record.
//
// A Writer never blocks the traffic, and its memory is bounded. Rows that find no room are counted.
package samples
