package main

import "os"

// keyboard reads no keys on Windows.
func keyboard(*os.File, func(keys string)) (stop func(), ok bool) { return nil, false }
