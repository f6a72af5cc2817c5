//go:build unix

package sync

import (
	"errors"
	"syscall"
)

// isFull reports whether a write failed for want of room: a full disk, a quota, or a file at its size limit.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
