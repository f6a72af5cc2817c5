package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// errUsage says that a command was called wrongly; its text has been printed.
var errUsage = errors.New("wrong usage")

// flags is a command's flags. Each has an environment variable: CARREL_ and its name in capitals, "-" as "_". A flag given wins over it.
type flags struct {
	*flag.FlagSet
	getenv func(string) string
	usage  string
	stderr io.Writer
	errs   []error
}

func newFlags(name, arguments string, getenv func(string) string, stderr io.Writer) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), getenv: getenv, usage: name + " " + arguments, stderr: stderr}
	f.SetOutput(stderr)
	f.Usage = f.help
	return f
}

func envName(flagName string) string {
	return "CARREL_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// fromEnv sets a flag that was just declared from its environment variable.
func (f *flags) fromEnv(name string) {
	v := f.getenv(envName(name))
	if v == "" {
		return
	}
	if err := f.Set(name, v); err != nil {
		f.errs = append(f.errs, fmt.Errorf("%s=%q: %w", envName(name), v, err))
	}
}

func (f *flags) text(name, value, help string) *string {
	p := f.String(name, value, help)
	f.fromEnv(name)
	return p
}

func (f *flags) boolean(name, help string) *bool {
	p := f.Bool(name, false, help)
	f.fromEnv(name)
	return p
}

func (f *flags) duration(name string, value time.Duration, help string) *time.Duration {
	p := f.Duration(name, value, help)
	f.fromEnv(name)
	return p
}

// list is a flag that may be given several times; its environment variable separates values by commas.
func (f *flags) list(name, help string) *[]string {
	var values listValue
	f.Var(&values, name, help)
	if v := f.getenv(envName(name)); v != "" {
		values.items = strings.Split(v, ",")
		values.fromEnv = true
	}
	return &values.items
}

type listValue struct {
	items   []string
	fromEnv bool
}

// String gives the values, for flag.
func (l *listValue) String() string { return strings.Join(l.items, ",") }

// Set adds a value; the first one given replaces those of the environment.
func (l *listValue) Set(v string) error {
	if l.fromEnv {
		l.items, l.fromEnv = nil, false
	}
	l.items = append(l.items, v)
	return nil
}

// parse reads the arguments. Flags may stand before, between and after the others.
func (f *flags) parse(args []string) ([]string, error) {
	var rest []string
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, errUsage
		}
		if f.NArg() == 0 {
			break
		}
		if n := len(args) - f.NArg(); n > 0 && args[n-1] == "--" {
			rest = append(rest, f.Args()...) // after "--" all are arguments
			break
		}
		rest = append(rest, f.Arg(0))
		args = f.Args()[1:]
	}
	if err := errors.Join(f.errs...); err != nil {
		return nil, f.wrong("%v", err)
	}
	return rest, nil
}

// wrong says what is wrong with the call.
func (f *flags) wrong(format string, args ...any) error {
	_, _ = fmt.Fprintf(f.stderr, "carrel %s: %s\nusage: carrel %s\nall flags: carrel %s --help\n", f.Name(), fmt.Sprintf(format, args...), f.usage, f.Name())
	return errUsage
}

// base refuses what is no base URL of a service; "" is none. Flags and variables are both named, as it may come from either.
func (f *flags) base(name, value string) error {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return f.wrong("--%s (or %s): %q is no base URL: that is http:// or https:// and a host, without ? and #, for example http://127.0.0.1:9099", name, envName(name), value)
	}
	return nil
}

func (f *flags) help() {
	_, _ = fmt.Fprintf(f.stderr, "usage: carrel %s\n\n", f.usage)
	f.VisitAll(func(one *flag.Flag) {
		kind, text := flag.UnquoteUsage(one)
		if kind != "" {
			kind = " " + kind
		}
		def := ""
		if one.DefValue != "" && one.DefValue != "false" {
			def = fmt.Sprintf(" (default %s)", one.DefValue)
		}
		_, _ = fmt.Fprintf(f.stderr, "  --%s%s\n        %s%s; or %s\n", one.Name, kind, text, def, envName(one.Name))
	})
}
