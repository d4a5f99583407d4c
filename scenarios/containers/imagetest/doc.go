// Package imagetest builds the images that tests start as containers, from local files, because no registry is needed to test.
// An image is built on demand, tagged by what it is made of, and kept: the next test, or the next process, finds it. All are
// labelled wringer.test=1; RemoveAll removes them.
//
// The package speaks to the engine's HTTP API alone: DOCKER_HOST (unix:// or tcp://) names the engine, default
// /var/run/docker.sock. A test is skipped where no engine answers, or where a part of an image is missing.
package imagetest
