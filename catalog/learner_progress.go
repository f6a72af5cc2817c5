package catalog

import (
	"cmp"
	"maps"
	"slices"

	"github.com/carrel-lms/carrel/fault"
)

const (
	// MaxDevices is how many devices a lesson's time is kept for. When more report, those with the least time are forgotten.
	MaxDevices = 32
	// maxDevice bounds a device's id in bytes: a UUID has 36, some platforms' ids have 64.
	maxDevice = 128
	// maxSeconds bounds the time that a device spent on one lesson: ten years.
	maxSeconds = 10 * 366 * 24 * 60 * 60
	// maxProgress bounds a position in a lesson. Its unit is the app's own: a fraction, a percentage, seconds or pages; greater is further.
	// A billion is more than any of them needs (seconds: 30 years), and a float keeps it exactly.
	maxProgress = 1_000_000_000
)

// Merge returns what two reports of the same progress say together: the greater position, completed when either is, the greater time of
// each device (the [MaxDevices] greatest are kept). It is commutative, associative and idempotent, so that reports may come in any order, more
// than once. Neither p nor q is changed.
func (p Progress) Merge(q Progress) Progress {
	p.Position = max(p.Position, q.Position)
	p.Completed = p.Completed || q.Completed
	times := make(map[string]float64, len(p.TimeByDevice)+len(q.TimeByDevice))
	for _, m := range []map[string]float64{p.TimeByDevice, q.TimeByDevice} {
		for device, seconds := range m {
			if have, ok := times[device]; !ok || seconds > have {
				times[device] = seconds
			}
		}
	}
	p.TimeByDevice = longest(times)
	return p
}

// longest keeps the MaxDevices greatest times. Times only grow, so one that is dropped could not have come back: dropping early or late is the same.
func longest(times map[string]float64) map[string]float64 {
	if len(times) == 0 {
		return nil
	}
	if over := len(times) - MaxDevices; over > 0 {
		devices := slices.SortedFunc(maps.Keys(times), func(a, b string) int {
			return cmp.Or(cmp.Compare(times[a], times[b]), cmp.Compare(a, b))
		})
		for _, device := range devices[:over] {
			delete(times, device)
		}
	}
	return times
}

// problems checks the ranges of a report.
func (p Progress) problems(found *problems) {
	if !(p.Position >= 0 && p.Position <= maxProgress) { // NaN and the infinite too
		found.add("/position", fault.OutOfRange, "is not between 0 and a billion", "min", 0, "max", maxProgress)
	}
	if found.tooMany("/time_by_device", len(p.TimeByDevice), MaxDevices) {
		return
	}
	for _, device := range slices.Sorted(maps.Keys(p.TimeByDevice)) {
		at := "/time_by_device/" + pointerPart(clip(device))
		if device == "" || found.line(at, device, maxDevice) != device || len(device) > maxDevice {
			found.add(at, fault.BadID, "a device's id has 1 to 128 bytes", "max", maxDevice)
		}
		if s := p.TimeByDevice[device]; !(s >= 0 && s <= maxSeconds) {
			found.add(at, fault.OutOfRange, "is no number of seconds", "min", 0, "max", maxSeconds)
		}
	}
}

// PutProgress merges progress into what is there. fault.NotEnrolled unless active or completed, fault.NotFound for an unknown lesson or
// an invisible course.
func (tx *Tx) PutProgress(who LearnerID, id CourseID, lesson string, p Progress) (bool, error) {
	const op = "catalog.PutProgress"
	id, lesson = nfc(id), nfc(lesson)
	if err := tx.mayActFor(op, who); err != nil {
		return false, err
	}
	var found problems
	p.problems(&found)
	if err := found.err(op); err != nil {
		return false, err
	}
	if _, err := tx.CourseFor(tx.overlay.actor, id); err != nil {
		return false, err
	}
	if err := tx.studying(op, who, id); err != nil {
		return false, err
	}
	if !validPart(lesson, maxID) || !tx.exists(KindLesson, string(id)+"/"+lesson) {
		return false, fault.New(op, fault.NotFound)
	}
	key := ofLearner(who, id) + "/" + lesson
	old, _, err := load[Progress](&tx.View, KindProgress, key)
	if err != nil {
		return false, err
	}
	return tx.put(KindProgress, key, learnerChannel(who), old.Value.Merge(p), putOpts{})
}

// PutBookmark marks a course that the actor sees. Every call makes a version, so that a device that removes the mark learns that another one
// set it again.
func (tx *Tx) PutBookmark(who LearnerID, id CourseID) (bool, error) {
	return tx.PutBookmarkBy(who, id, "")
}

// PutBookmarkBy is PutBookmark of a client, which may remove the mark again without having seen its version.
func (tx *Tx) PutBookmarkBy(who LearnerID, id CourseID, client string) (bool, error) {
	const op = "catalog.PutBookmark"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return false, err
	}
	if _, err := tx.CourseFor(tx.overlay.actor, id); err != nil {
		return false, err
	}
	key := ofLearner(who, id)
	tx.exists(KindBookmark, key) // guards the version
	return tx.put(KindBookmark, key, learnerChannel(who), Bookmark{At: tx.overlay.now, By: client}, putOpts{blind: true})
}

// DeleteBookmark removes a mark, also of a course that is gone. fault.NotFound when there is none.
func (tx *Tx) DeleteBookmark(who LearnerID, id CourseID) error {
	const op = "catalog.DeleteBookmark"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	key := ofLearner(who, id)
	if !tx.exists(KindBookmark, key) {
		return fault.New(op, fault.NotFound)
	}
	return tx.del(KindBookmark, key, learnerChannel(who), Cond{})
}
