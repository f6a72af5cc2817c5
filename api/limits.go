package api

import (
	"time"

	"github.com/carrel-lms/carrel/ingest"
)

// Limits bound what one request and one caller may take. A zero field gets its default. Searches at once are bounded by search itself.
type Limits struct {
	Rate    float64       // requests a second that one caller may keep up; negative switches the limit off
	Burst   int           // requests that one caller may send at once
	Callers int           // callers remembered; beyond it the one unseen for longest is forgotten
	Timeout time.Duration // for one request, uploads excepted
	Import  int64         // bytes of an imported file
	File    int64         // bytes of a file of a course
}

// The defaults of [Limits].
const (
	// defaultRate and defaultBurst let a page with its pictures, suggestions as one types, and a phone that catches up go
	// through; a loop without a pause does not.
	defaultRate  = 200
	defaultBurst = 1000
	// defaultCallers at about 200 bytes each is 10 MB.
	defaultCallers = 50_000
	// defaultTimeout is beyond every honest request; what takes longer is given up to free what it holds.
	defaultTimeout = 30 * time.Second
	// defaultImport leaves the bound of a file to ingest: a form around it is smaller than this.
	defaultImport = ingest.MaxFile + 1<<20
	// defaultFile is three hours of film in good quality. A phone has room for a few of those.
	defaultFile = 2 << 30
)

// Bounds of what is read from a request.
const (
	maxQueryBytes   = 16 << 10 // a search with a hundred filters is 4 kB
	maxSmallBody    = 256 << 10
	maxDocumentBody = 4 << 20  // a course with 20 translations of 100 kB each
	maxContentBody  = 32 << 20 // a whole course with its lessons
	maxDepth        = 32       // of JSON: our documents need 4
	maxBodyFields   = 50       // problems named in one answer; more help nobody
)

// Files of courses on their way.
const (
	maxUploads   = 16   // at once: each may take defaultFile of the disk before it is known to be whole
	maxDownloads = 1000 // at once: each holds a connection and an open file, of which a process has a few thousand

	// fileStall is how long a client may neither take nor send anything of a file: a train in a tunnel. Who is cut off goes on where it was, by Range.
	fileStall = time.Minute
	// fileWait is how long an upload may take over all: defaultFile at 50 kB a second.
	fileWait = 12 * time.Hour
)

// Waits.
const (
	afterWait    = 5 * time.Second // the contract's bound for after=
	replayWait   = 10 * time.Second
	uploadWait   = 15 * time.Minute // for a file of defaultImport over a slow line
	defaultRetry = 1                // seconds, in Retry-After, when nobody knows better
)

func (l Limits) withDefaults() Limits {
	if l.Rate == 0 {
		l.Rate = defaultRate
	}
	if l.Burst <= 0 {
		l.Burst = defaultBurst
	}
	if l.Callers <= 0 {
		l.Callers = defaultCallers
	}
	if l.Timeout <= 0 {
		l.Timeout = defaultTimeout
	}
	if l.Import <= 0 {
		l.Import = defaultImport
	}
	if l.File <= 0 {
		l.File = defaultFile
	}
	return l
}
