package catalog

import (
	"strings"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// The channels that are not named after anything.
const (
	channelCatalog coursesync.Channel = "catalog"
	channelStaff   coursesync.Channel = "staff"
)

// orgMark stands between an organization and the rest of an id. No id holds it otherwise.
const orgMark = "~"

// OrgOf returns the organization in an id ("acme~CS101" → "acme", "CS101" → "").
func OrgOf(id string) OrgID {
	org, _, found := strings.Cut(id, orgMark)
	if !found {
		return ""
	}
	return OrgID(org)
}

// inOrg puts an id into an organization ("" leaves it public).
func inOrg(org OrgID, id string) string {
	if org == "" {
		return id
	}
	return string(org) + orgMark + id
}

// catalogChannel is where what everyone sees of a course, instructor, tag or category lives.
func catalogChannel(id string) coursesync.Channel {
	if org := OrgOf(id); org != "" {
		return coursesync.Channel("org:" + org)
	}
	return channelCatalog
}

// contentChannel is where a course's modules, lessons and assets live.
func contentChannel(id CourseID) coursesync.Channel { return coursesync.Channel("course:" + id) }

// learnerChannel is where all that is private to a learner lives.
func learnerChannel(who LearnerID) coursesync.Channel { return coursesync.Channel("learner:" + who) }
