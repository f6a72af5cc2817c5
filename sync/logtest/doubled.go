package logtest

import (
	"context"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// doubled gives a follower everything twice, as a crash between its commit and the next read would.
type doubled struct {
	coursesync.Follower
}

// Apply implements [coursesync.Follower].
func (d *doubled) Apply(ctx context.Context, batch []coursesync.Change, next coursesync.Cursor) error {
	if err := d.Follower.Apply(ctx, batch, next); err != nil {
		return err
	}
	return d.Follower.Apply(ctx, batch, next)
}
