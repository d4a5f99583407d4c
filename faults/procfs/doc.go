// Package procfs reads what Linux tells of processes in /proc: their state, their open files and their TCP sockets. It also limits
// their open files. On other systems it finds nothing.
package procfs
