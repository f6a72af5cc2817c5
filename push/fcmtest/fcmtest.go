// Package fcmtest stands in for Firebase Cloud Messaging in tests: it speaks the HTTP v1 protocol, keeps the messages that it took, and fails in every way
// that the real one may.
package fcmtest

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Project is the one that the stand-in knows.
const Project = "carrel-test"

// maxPayload is what the real one takes of a message's notification and data, in bytes.
const maxPayload = 4096

// maxCollapse is what Apple takes of a key, in bytes.
const maxCollapse = 64

// Message is a message as it came, with what tests look at.
type Message struct {
	Token        string            `json:"token"`
	Data         map[string]string `json:"data"`
	Notification *struct {
		Title string `json:"title"`
		Body  string `json:"body"`
	} `json:"notification"`
	Android *struct {
		CollapseKey  string `json:"collapse_key"`
		Priority     string `json:"priority"`
		TTL          string `json:"ttl"`
		Notification *struct {
			ChannelID string `json:"channel_id"`
			Tag       string `json:"tag"`
		} `json:"notification"`
	} `json:"android"`
	APNS *struct {
		Headers map[string]string `json:"headers"`
		Payload map[string]any    `json:"payload"`
	} `json:"apns"`
	Webpush *struct {
		Headers    map[string]string `json:"headers"`
		FCMOptions *struct {
			Link string `json:"link"`
		} `json:"fcm_options"`
	} `json:"webpush"`

	At   time.Time `json:"-"` // when it was taken
	Size int       `json:"-"` // of notification and data, in bytes
}

// Collapse is the key under which a later message takes this one's place.
func (m *Message) Collapse() string {
	switch {
	case m.Android != nil:
		return m.Android.CollapseKey
	case m.APNS != nil:
		return m.APNS.Headers["apns-collapse-id"]
	case m.Webpush != nil:
		return m.Webpush.Headers["Topic"]
	}
	return ""
}

// Fault is how a request fails; the zero Fault is none.
type Fault struct {
	Status     int    // of HTTP
	Name       string // of the error: "UNAVAILABLE"
	Code       string // of FCM: "UNREGISTERED"; "" leaves it out
	RetryAfter int    // seconds; 0 sends no header
	How        How
}

// How is a way to fail that is no answer of FCM.
type How int

// The ways to fail.
const (
	Answer  How = iota // Status tells; 0 takes the message
	Hang               // no answer, until the caller hangs up
	Garbage            // 200, and then no JSON
	Drop               // the connection is closed
	Half               // the connection is closed within an answer
)

// The documented errors.
var (
	Unregistered    = Fault{Status: http.StatusNotFound, Name: "NOT_FOUND", Code: "UNREGISTERED"}
	Mismatch        = Fault{Status: http.StatusForbidden, Name: "PERMISSION_DENIED", Code: "SENDER_ID_MISMATCH"}
	Invalid         = Fault{Status: http.StatusBadRequest, Name: "INVALID_ARGUMENT", Code: "INVALID_ARGUMENT"}
	Quota           = Fault{Status: http.StatusTooManyRequests, Name: "RESOURCE_EXHAUSTED", Code: "QUOTA_EXCEEDED"}
	Unavailable     = Fault{Status: http.StatusServiceUnavailable, Name: "UNAVAILABLE", Code: "UNAVAILABLE"}
	Internal        = Fault{Status: http.StatusInternalServerError, Name: "INTERNAL", Code: "INTERNAL"}
	ThirdParty      = Fault{Status: http.StatusUnauthorized, Name: "UNAUTHENTICATED", Code: "THIRD_PARTY_AUTH_ERROR"}
	Unauthenticated = Fault{Status: http.StatusUnauthorized, Name: "UNAUTHENTICATED"}
	Forbidden       = Fault{Status: http.StatusForbidden, Name: "PERMISSION_DENIED"}
)

// Server is the stand-in, an [http.Handler] for messages of any project, or of [Project] alone when New made it. The zero Server takes all of them. Its methods
// are safe for concurrent use.
type Server struct {
	URL  string           // what CARREL_FCM_ENDPOINT is set to
	Took func(m *Message) // is called for each message that is taken, one at a time, when it is set

	project string // the only one that is known; "" for any
	mu      sync.Mutex
	fault   func(m *Message) Fault
	taken   []Message
	tried   map[string]int
}

// New starts a stand-in, which ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{project: Project}
	h := httptest.NewServer(s)
	s.URL = h.URL
	tb.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return s
}

// Fail says how each message fails from now on; nil: none does.
func (s *Server) Fail(fault func(m *Message) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// Mostly fails a share of all messages, from 0 to 1, in all ways that pass.
func Mostly(share float64) func(*Message) Fault {
	ways := []Fault{Unavailable, Internal, Quota, {How: Garbage}, {How: Drop}, {How: Half}}
	return func(*Message) Fault {
		if rand.Float64() >= share { //nolint:gosec // a test
			return Fault{}
		}
		return ways[rand.IntN(len(ways))] //nolint:gosec // a test
	}
}

// Taken returns the messages that were taken, in order.
func (s *Server) Taken() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.taken...)
}

// Shown is Taken without nudges.
func (s *Server) Shown() []Message {
	var list []Message
	for _, m := range s.Taken() {
		if m.Notification != nil {
			list = append(list, m)
		}
	}
	return list
}

// Tried returns how many messages came for a token, taken or not.
func (s *Server) Tried(token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried[token]
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	project, sends := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/projects/"), "/messages:send")
	if r.Method != http.MethodPost || !sends || project == "" || s.project != "" && project != s.project {
		answer(w, Fault{Status: http.StatusNotFound, Name: "NOT_FOUND"}, "no such method")
		return
	}
	m, err := read(r.Body)
	if err != nil {
		answer(w, Invalid, err.Error())
		return
	}
	s.mu.Lock()
	if s.tried == nil {
		s.tried = map[string]int{}
	}
	s.tried[m.Token]++
	fault := Fault{}
	if s.fault != nil {
		fault = s.fault(m)
	}
	if fault == (Fault{}) {
		m.At = time.Now()
		s.taken = append(s.taken, *m)
		if s.Took != nil {
			s.Took(m)
		}
	}
	n := len(s.taken)
	s.mu.Unlock()
	fail(w, r, fault, m.Token, n)
}

// fail answers, or does not. It is so careless as to repeat the token.
func fail(w http.ResponseWriter, r *http.Request, fault Fault, token string, n int) {
	switch fault.How {
	case Hang:
		<-r.Context().Done()
	case Garbage:
		_, _ = io.WriteString(w, "<html>Welcome to this hotel")
	case Drop:
		panic(http.ErrAbortHandler)
	case Half:
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"name":`)
		panic(http.ErrAbortHandler)
	case Answer:
		answer(w, fault, "the test wants it so for "+token, strconv.Itoa(n))
	}
}

// read reads a message and looks for what the real one refuses.
func read(body io.Reader) (*Message, error) {
	var in struct {
		Message json.RawMessage `json:"message"`
	}
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		return nil, err
	}
	m := &Message{}
	if err := json.Unmarshal(in.Message, m); err != nil {
		return nil, err
	}
	size := 0
	for k, v := range m.Data {
		if k == "from" || k == "message_type" || k == "notification" || strings.HasPrefix(k, "google.") || strings.HasPrefix(k, "gcm.") {
			return nil, errors.New("a key of data is reserved: " + k)
		}
		size += len(k) + len(v)
	}
	if m.Notification != nil {
		size += len(m.Notification.Title) + len(m.Notification.Body)
	}
	switch {
	case m.Token == "":
		return nil, errors.New("there is no token")
	case size > maxPayload:
		return nil, errors.New("the message is too big")
	case len(m.Collapse()) > maxCollapse:
		return nil, errors.New("the collapse key is too long")
	case m.APNS != nil && m.Notification == nil && (m.APNS.Headers["apns-push-type"] != "background" || m.APNS.Headers["apns-priority"] != "5"):
		return nil, errors.New("silent messages go to Apple in the background only, with priority 5")
	}
	m.Size = size
	return m, nil
}

// answer writes an answer of FCM.
func answer(w http.ResponseWriter, f Fault, message string, name ...string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	if f.Status == 0 {
		_ = json.NewEncoder(w).Encode(map[string]string{"name": "projects/" + Project + "/messages/" + strings.Join(name, "")})
		return
	}
	w.WriteHeader(f.Status)
	body := map[string]any{"code": f.Status, "status": f.Name, "message": message}
	if f.Code != "" {
		body["details"] = []map[string]string{{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": f.Code}}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"error": body})
}
