// Package syntax makes values fit for where they stand in a request: in a path, a query, a form, a header, JSON or XML. What it
// returns is compiled once for each template. An escape of text that needs none costs one scan and no allocation.
package syntax
