package fault

import "slices"

// Code identifies one way to fail. It is part of the API: type, code and the page under /problems/ carry it.
type Code string

// Kind groups the codes that are answered alike.
type Kind int

// The kinds, with the HTTP status by which api answers them.
const (
	KindInternal      Kind = iota // 500: our fault; nothing of it is shown
	KindInvalid                   // 400: the input is wrong
	KindUnauthorized              // 401: who are you?
	KindForbidden                 // 403: not allowed, and no secret that it exists
	KindNotFound                  // 404: not there, or not for this caller
	KindMethod                    // 405
	KindConflict                  // 409: the state does not allow it
	KindGone                      // 410: it was there
	KindPrecondition              // 412: somebody was faster
	KindTooLarge                  // 413
	KindMedia                     // 415
	KindRange                     // 416
	KindUnprocessable             // 422
	KindTooMany                   // 429: slower, please
	KindUnavailable               // 503: later, please
	KindFull                      // 507: no room on the disk
)

// The codes.
const (
	Internal         Code = "internal"
	InvalidFields    Code = "invalid-fields"    // see Fields
	InvalidParameter Code = "invalid-parameter" // args: name, value
	UnknownParameter Code = "unknown-parameter" // args: name
	InvalidBody      Code = "invalid-body"      // not JSON, too deep, bad UTF-8
	InvalidCursor    Code = "invalid-cursor"    // from elsewhere, or for another request
	InvalidQuery     Code = "invalid-query"     // args: position
	QueryTooBroad    Code = "query-too-broad"   // it would look up more than one search may

	Unauthorized      Code = "unauthorized"   // no token where one is needed
	InvalidToken      Code = "invalid-token"  // wrong, expired or revoked
	AccountErased     Code = "account-erased" // the learner asked to be forgotten
	Forbidden         Code = "forbidden"      // the role does not allow it
	NotEnrolled       Code = "not-enrolled"   // only the enrolled may
	CrossOrigin       Code = "cross-origin"   // a browser sent it from another site
	NotFound          Code = "not-found"      // or invisible
	NoSuchDevice      Code = "no-such-device" // args: learner, device, devices (those that there are)
	NotAllowed        Code = "method-not-allowed"
	AlreadyExists     Code = "already-exists"
	Conflict          Code = "conflict" // the state does not allow it; args: state
	EnrollClosed      Code = "enrollment-closed"
	HasDependents     Code = "has-dependents"      // other things refer to it
	ReindexRunning    Code = "reindex-running"     // the search index is being rebuilt already
	BackupRunning     Code = "backup-running"      // one is being taken already
	PushNotConfigured Code = "push-not-configured" // nothing can be sent to devices until somebody configures it
	IndexShifted      Code = "index-shifted"       // the rebuilt index answers too differently; args: documents, totals, first (percent), field
	CursorExpired     Code = "cursor-expired"
	CursorBehind      Code = "cursor-behind" // there is something to be pulled first
	PullFirst         Code = "pull-first"    // what is pushed was changed since the pull that it is based on
	MutationGap       Code = "mutation-gap"  // mutations between were never sent; args: last_mutation
	ClientReused      Code = "client-reused" // a mutation's number was used for another one; args: last_mutation
	LostUpdate        Code = "lost-update"   // If-Match or IfSeq does not hold
	TooLarge          Code = "too-large"     // args: limit
	UnsupportedMedia  Code = "unsupported-media-type"
	DigestMismatch    Code = "digest-mismatch"       // a file is not the one that was announced; args: got
	RangeUnsatisfied  Code = "range-not-satisfiable" // the range begins behind the end
	IdempotencyReused Code = "idempotency-key-reused"
	RateLimited       Code = "rate-limited" // args: retry_after (seconds)
	Overloaded        Code = "overloaded"   // args: retry_after (seconds)
	NotReady          Code = "not-ready"    // starting, rebuilding or stopping
	StaleRead         Code = "stale-read"   // after= was not reached in time
	FileMissing       Code = "file-missing" // it is named, but not in the data folder; args: retry_after (seconds)
	DiskFull          Code = "disk-full"
	Locked            Code = "data-folder-locked" // another process holds the folder
	NewerFormat       Code = "newer-format"       // the file was written by a newer Carrel
	Corrupt           Code = "corrupt"            // a file that is not a cache cannot be read
)

// The codes of fields (and of rejected import rows).
const (
	Required     Code = "required"
	TooLong      Code = "too-long"     // args: max (characters)
	TooMany      Code = "too-many"     // args: max
	OutOfRange   Code = "out-of-range" // args: min, max
	NotANumber   Code = "not-a-number"
	NotADate     Code = "not-a-date"
	NotABoolean  Code = "not-a-boolean"
	BadID        Code = "bad-id"
	BadURL       Code = "bad-url"
	BadLocale    Code = "bad-locale"
	BadTimezone  Code = "bad-timezone" // no name of the IANA database
	BadTime      Code = "bad-time"     // no time of day
	BadSpan      Code = "bad-span"     // no span of a day
	BadToken     Code = "bad-token"    // of a push service
	BadValue     Code = "bad-value"    // args: allowed
	BadFilter    Code = "bad-filter"   // of InstantSearch; args: value (where it cannot be read)
	BadQuery     Code = "bad-query"    // the parameters of a saved search; args: name, reason, and those of the reason
	BadEncoding  Code = "bad-encoding"
	UnknownField Code = "unknown-field"
	UnknownRef   Code = "unknown-reference" // args: id
	UnknownLevel Code = "unknown-level"
	WrongLocale  Code = "wrong-locale"  // a body whose locale is not the course's language
	DateOrder    Code = "date-order"    // ends before it starts
	ReadOnly     Code = "read-only"     // fixed at creation
	Cycle        Code = "cycle"         // refers to itself
	WrongType    Code = "wrong-type"    // args: want
	WrongColumns Code = "wrong-columns" // a row with too many or too few columns; args: want, got
	BrokenQuote  Code = "broken-quote"  // a quote that swallowed line breaks in a one-line field
	Duplicate    Code = "duplicate"
	NoWord       Code = "no-word"        // nothing that one could search for
	TooManyWords Code = "too-many-words" // args: max
)

var kinds = map[Code]Kind{
	InvalidFields: KindInvalid, InvalidParameter: KindInvalid, UnknownParameter: KindInvalid, InvalidBody: KindInvalid,
	InvalidCursor: KindInvalid, InvalidQuery: KindInvalid, QueryTooBroad: KindInvalid, DigestMismatch: KindInvalid,
	Unauthorized: KindUnauthorized, InvalidToken: KindUnauthorized, AccountErased: KindUnauthorized,
	Forbidden: KindForbidden, NotEnrolled: KindForbidden, CrossOrigin: KindForbidden,
	NotFound: KindNotFound, NoSuchDevice: KindNotFound, NotAllowed: KindMethod,
	AlreadyExists: KindConflict, Conflict: KindConflict, EnrollClosed: KindConflict, HasDependents: KindConflict,
	ReindexRunning: KindConflict, BackupRunning: KindConflict, IndexShifted: KindConflict, PushNotConfigured: KindConflict, CursorBehind: KindConflict, PullFirst: KindConflict,
	MutationGap: KindConflict, ClientReused: KindConflict,
	CursorExpired: KindGone, LostUpdate: KindPrecondition, TooLarge: KindTooLarge, UnsupportedMedia: KindMedia,
	RangeUnsatisfied:  KindRange,
	IdempotencyReused: KindUnprocessable, RateLimited: KindTooMany,
	Overloaded: KindUnavailable, NotReady: KindUnavailable, StaleRead: KindUnavailable, Locked: KindUnavailable, FileMissing: KindUnavailable,
	DiskFull: KindFull,
}

// Kind returns the kind of a code; codes of fields are KindInvalid, unknown ones KindInternal.
func (c Code) Kind() Kind {
	if k, ok := kinds[c]; ok {
		return k
	}
	if slices.Contains(FieldCodes, c) {
		return KindInvalid
	}
	return KindInternal
}

// FieldCodes lists the codes that a field can carry, for the test that every text exists.
var FieldCodes = []Code{
	Required, TooLong, TooMany, OutOfRange, NotANumber, NotADate, NotABoolean, BadID, BadURL, BadLocale, BadTimezone, BadTime, BadSpan, BadToken, BadValue, BadFilter,
	BadQuery, BadEncoding, UnknownField, UnknownRef, UnknownLevel, WrongLocale, DateOrder, ReadOnly, Cycle, WrongType, WrongColumns,
	BrokenQuote, Duplicate, NoWord, TooManyWords,
}

// Codes returns every code that a problem can carry, unordered, for the test that every text exists.
func Codes() []Code {
	all := []Code{Internal, NewerFormat, Corrupt}
	for c := range kinds {
		all = append(all, c)
	}
	return all
}
