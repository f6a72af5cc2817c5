package push

import "time"

const (
	minutesADay = 24 * 60
	// widestShift is by how much clocks are moved at most when summer time begins or ends.
	widestShift = 2 * time.Hour
)

// minuteOf returns what a clock shows, in minutes since midnight.
func minuteOf(t time.Time) int { return t.Hour()*60 + t.Minute() }

// inSpan reports whether a minute of the day is in a span, which may have midnight in it; one that ends where it begins is empty.
func inSpan(minute, from, until int) bool {
	if from <= until {
		return from <= minute && minute < until
	}
	return minute >= from || minute < until
}

// quietEnd returns when quiet hours that are now are over: the first minute in which the clock on the wall is outside of them. It looks at each minute, so
// that it is right also when clocks are moved meanwhile. Outside of quiet hours it is now.
func quietEnd(now time.Time, zone *time.Location, from, until int) time.Time {
	t := now.In(zone)
	if !inSpan(minuteOf(t), from, until) {
		return now
	}
	left := time.Duration((until-minuteOf(t)+minutesADay)%minutesADay) * time.Minute
	t = t.Truncate(time.Minute)
	if left > widestShift {
		t = t.Add(left - widestShift)
	}
	for inSpan(minuteOf(t), from, until) {
		t = t.Add(time.Minute)
	}
	return t
}

// nextAt returns when the clock on the wall shows a minute of the day next: after now, and once a day. Where clocks are moved over it, it is the first minute
// that comes then; where it comes twice, one of the two.
func nextAt(now time.Time, zone *time.Location, minute int) time.Time {
	local := now.In(zone)
	for day := local.Day(); ; day++ {
		t := time.Date(local.Year(), local.Month(), day, 0, minute, 0, 0, zone)
		if minuteOf(t) != minute { // there is no such minute on that day
			t = time.Date(local.Year(), local.Month(), day, 0, 0, 0, 0, zone)
			for minuteOf(t) < minute {
				t = t.Add(time.Minute)
			}
		}
		if t.After(now) {
			return t
		}
	}
}
