// Package fault names what can go wrong, once, for the whole program.
//
// Every error that a caller could act upon is an [*Error] with a [Code]. The table in codes.go gives each code its
// [Kind], which is all that a transport needs to answer (api turns a kind into an HTTP status). The texts that people
// read are not here: they stand in the locale files under problem.<code>.title and problem.<code>.detail.
//
// The package is a leaf: it imports nothing of Carrel.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Error is a failure with a code, where it happened, and what the caller can do about it.
type Error struct {
	Code   Code           // what went wrong; decides kind, status and text
	Op     string         // where, for the log: "catalog.PutCourse"
	Args   map[string]any // values for the placeholders of the localized text; never secrets or internals
	Fields []Field        // the fields of the input at fault, if any
	Fix    string         // what to do, in English, for the command line and the log; "" when the text of the code says it
	Err    error          // the cause, for the log; strangers never see it
}

// Field is one field of an input that was refused.
type Field struct {
	Pointer string         // JSON pointer ("/title"), or the name of a query parameter or CSV column
	Code    Code           // what is wrong with it
	Args    map[string]any // values for the placeholders of the localized text
	Detail  string         // the same in English, for the command line and the log
}

// New returns an error with a code. Pairs are key, value, key, value … for Args; a last odd value is ignored.
func New(op string, code Code, pairs ...any) *Error {
	return &Error{Op: op, Code: code, Args: args(pairs)}
}

// Wrap returns an error with a code that has err as its cause.
func Wrap(op string, code Code, err error, pairs ...any) *Error {
	return &Error{Op: op, Code: code, Err: err, Args: args(pairs)}
}

// Invalid returns an error that names the fields at fault.
func Invalid(op string, fields ...Field) *Error {
	return &Error{Op: op, Code: InvalidFields, Fields: fields}
}

// BadField makes a Field. Pairs are key, value … for Args; detail is the English sentence.
func BadField(pointer string, code Code, detail string, pairs ...any) Field {
	return Field{Pointer: pointer, Code: code, Detail: detail, Args: args(pairs)}
}

func args(pairs []any) map[string]any {
	if len(pairs) < 2 {
		return nil
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

// Error gives the whole story in English: operation, code, values, fields, fix and cause.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(string(e.Code))
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s: %s", f.Pointer, f.Detail)
	}
	if e.Fix != "" {
		b.WriteString("; " + e.Fix)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithFix returns a copy that tells the caller what to do.
func (e *Error) WithFix(format string, a ...any) *Error {
	c := *e
	c.Fix = fmt.Sprintf(format, a...)
	return &c
}

// CodeOf returns the code of the first [*Error] in err's tree, [Internal] for any other error and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether err carries the code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// KindOf returns the kind of err's code.
func KindOf(err error) Kind { return CodeOf(err).Kind() }
