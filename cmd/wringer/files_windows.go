package main

// mostFiles is the most files and sockets that this process may have open. Windows sets no limit that could be asked for.
func mostFiles() int { return 0 }
