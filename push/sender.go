package push

import (
	"context"
	"slices"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// MaxBatch is how many messages are sent in one call: what FCM's SDK takes.
const MaxBatch = 500

// Sender hands messages to a push service. It tries each once: when to try again is decided here, where it is written down.
type Sender interface {
	// Send sends at most [MaxBatch] messages, no two to one token, and returns what became of each, in their order. It returns when ctx ends at the latest.
	Send(ctx context.Context, messages []Message) []Outcome
}

// Message is what goes to one device.
type Message struct {
	Token    string
	Platform catalog.Platform
	Title    string // "" of a nudge, which is shown to nobody
	Body     string
	Channel  string            // the Android channel, by which its owner silences one rule
	Data     map[string]string // for the app
	Collapse string            // of two that wait for a device under one key, it gets the later; at most 64 bytes
	Link     string            // the page that a browser opens; "" for none
	TTL      time.Duration     // how long the service keeps it for a device that is off
}

// Silent reports whether a message is shown to nobody.
func (m *Message) Silent() bool { return m.Title == "" }

// Outcome is what became of a message.
type Outcome struct {
	Reason     Reason        // [Sent], or why not
	RetryAfter time.Duration // what the service asked for; 0 when it did not
	Detail     string        // its words, without the token
}

// Reason says why a message was not sent, or not shown at once. It labels metrics and dead letters.
type Reason string

// What a push service answers.
const (
	Sent               Reason = "sent"
	ReasonUnregistered Reason = "unregistered"     // the app was removed: the device is dropped
	ReasonMismatch     Reason = "sender-mismatch"  // the token is of another project: the device is dropped
	ReasonInvalid      Reason = "invalid-argument" // our message is wrong: it is never sent again
	ReasonQuota        Reason = "quota-exceeded"   // everything waits
	ReasonUnavailable  Reason = "unavailable"      // everything waits
	ReasonInternal     Reason = "internal"         // or an answer that cannot be read: this one waits
	ReasonNetwork      Reason = "network"          // or no answer in time: this one waits
	ReasonAuth         Reason = "unauthenticated"  // our credentials are refused: nothing is sent until they are not
	ReasonThirdParty   Reason = "third-party-auth" // those for APNs or Web Push are: nothing is sent to that platform
)

// What is never handed to the service.
const (
	ReasonNotConfigured Reason = "not-configured" // there is none
	ReasonNoDevice      Reason = "no-device"      // the learner has none
	ReasonCapped        Reason = "daily-cap"      // the learner got enough today
	ReasonExpired       Reason = "expired"        // it could not be sent in time
	ReasonInvisible     Reason = "invisible"      // what it is about is not to be seen any more
	ReasonUnwanted      Reason = "unwanted"       // the learner does not want to hear of it any more, or does not take the course
	ReasonRead          Reason = "read"           // the learner read it elsewhere
	ReasonInboxFull     Reason = "inbox-full"     // newer ones took its place
)

// retried reports whether a message that was tried is sent again later. When credentials were refused it was not its turn.
func (r Reason) retried() bool {
	return slices.Contains([]Reason{ReasonQuota, ReasonUnavailable, ReasonInternal, ReasonNetwork}, r)
}
