// Package clients holds the modules for programs that call Carrel's API from elsewhere. They have no dependencies, and the server serves them.
package clients

import _ "embed"

// InstantSearch is the search client for InstantSearch's widgets, an ES module.
//
//go:embed instantsearch.js
var InstantSearch []byte

// Offline says what a device that keeps lessons offline has to fetch and may delete, an ES module.
//
//go:embed offline.js
var Offline []byte

// Watermelon synchronizes WatermelonDB, an ES module.
//
//go:embed watermelon.js
var Watermelon []byte

// RxDB replicates RxDB's collections, an ES module.
//
//go:embed rxdb.js
var RxDB []byte
