package sync

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/carrel-lms/carrel/fault"
)

// errWindowsDiskFull is ERROR_DISK_FULL; package syscall has no name for it.
const errWindowsDiskFull = syscall.Errno(112)

// fail gives an error of the store its code. Errors that have one, and those of a context, stay as they are.
func fail(op string, err error) error {
	var coded *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case diskFull(err):
		return fault.Wrap(op, fault.DiskFull, err).WithFix("make room on the disk; nothing was lost, and writes go on by themselves")
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return closedError(op)
	}
	return fault.Wrap(op, fault.Internal, err)
}

func closedError(op string) error {
	return fault.New(op, fault.NotReady).WithFix("the changelog is closed")
}

// diskFull reports whether err says that there is no room. bbolt formats the error of growing its file as text, so that is looked at too.
func diskFull(err error) bool {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) || strings.HasSuffix(err.Error(), full.Error()) {
			return true
		}
	}
	return runtime.GOOS == "windows" && errors.Is(err, errWindowsDiskFull)
}

// corrupt says that a record of the log cannot be read.
func corrupt(op string, seq Seq, err error) error {
	return fault.Wrap(op, fault.Corrupt, err, "seq", uint64(seq)).WithFix("the changelog is damaged at %d: restore a backup", seq)
}
