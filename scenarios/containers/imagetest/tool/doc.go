// Command tool is the target of tests of faults on containers. It is a static program that needs nothing beside it, so it also
// serves as the health check of images without a shell.
//
// It serves HTTP on TOOL_LISTEN (default :8080) and an echo over TCP on TOOL_ECHO (default :8081):
//
//	/healthz                     200, once TOOL_READY_AFTER has passed
//	/dial?to=HOST:PORT&say=TEXT  dials, says the text, and reports the answer
//	/get?url=URL                 asks, and reports the answer
//	/memory?mb=N                 holds N MiB of memory in place of what it held
//	/child?mb=N                  lets a child process hold N MiB, and tells how the child ended
//	/cpu?for=5s&cores=N          keeps N cores busy
//	/fill?dir=DIR&mb=N           writes a file of N MiB; says how much the disk took
//	/print?line=TEXT&times=N     prints lines; with to=stderr there
//	/env, /hosts                 its environment, its /etc/hosts
//	/unsettled                   how many TCP connections may send by themselves
//	/echo                        the request, as JSON
//	/exit?code=N                 ends with the code
//
// The answers are JSON, but for /env and /hosts. An attempt that failed is an answer too: it has an `error`.
//
// With an argument it does one thing and ends: `tool get URL` and `tool dial HOST:PORT` end with 0 where that succeeds, `tool
// exit N TEXT` prints the text and ends with N, and `tool hold N` holds N MiB for a moment. It ends with 0 on SIGTERM, and with TOOL_DEAF=1 it does not.
package main
