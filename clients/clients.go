// Package clients holds the modules for programs that call Carrel's API from elsewhere. They have no dependencies, and the server serves them.
package clients

import "embed"

// Files are the ES modules, by name: instantsearch.js for InstantSearch's widgets, watermelon.js for WatermelonDB and rxdb.js for RxDB.
//
//go:embed *.js
var Files embed.FS
