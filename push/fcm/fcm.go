//go:build !nofirebase

// Package fcm sends messages through Firebase Cloud Messaging. Nothing else in Carrel knows Firebase; the build tag nofirebase leaves it out.
package fcm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/errorutils"
	"firebase.google.com/go/v4/messaging"
	"golang.org/x/oauth2"
	"golang.org/x/time/rate"
	"google.golang.org/api/option"
	googlehttp "google.golang.org/api/transport/http"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/push"
)

// Available says that this program was built with Firebase.
const Available = true

const (
	// scope is what our credentials are used for.
	scope = "https://www.googleapis.com/auth/firebase.messaging"
	// answerTime is how long one request may take; Google asks for at least ten seconds.
	answerTime = 15 * time.Second
	// maxConnections bounds those to the service: the SDK makes 50 requests at once for a batch, and HTTP/2 shares connections.
	maxConnections = 400
	// perSecond is how many messages are sent: 10,000 take four seconds, and a third of one core. As fast as it goes would be over sooner, but whoever
	// searches meanwhile would wait. Google allows 10,000.
	perSecond = 2_500
	// atOnce is how many may be made up for when others had the processor.
	atOnce = 30
	// maxRetryAfter is how long the service may let us wait: whoever asks for more is mistaken, and messages would be none any more.
	maxRetryAfter = 24 * time.Hour
	// maxAnswer bounds an answer that is read, in bytes; real ones have less than 1 kB.
	maxAnswer = 64 << 10
)

// sender is a [push.Sender].
type sender struct{ client *messaging.Client }

// New makes a sender for a project. With an endpoint, messages go to that base URL, without credentials; else to Google, with those that
// GOOGLE_APPLICATION_CREDENTIALS names.
func New(ctx context.Context, project, endpoint string) (push.Sender, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxConnsPerHost, base.MaxIdleConnsPerHost = maxConnections, maxConnections
	var transport http.RoundTripper = base
	var options []option.ClientOption
	if endpoint != "" {
		options = append(options, option.WithEndpoint(strings.TrimRight(endpoint, "/")+"/v1"), option.WithoutAuthentication())
	} else {
		var err error
		if transport, err = googlehttp.NewTransport(ctx, base, option.WithScopes(scope)); err != nil {
			return nil, fmt.Errorf("fcm: the credentials cannot be used: %w; GOOGLE_APPLICATION_CREDENTIALS names the file of a service account", err)
		}
	}
	options = append(options, option.WithHTTPClient(&http.Client{Transport: once{transport, rate.NewLimiter(perSecond, atOnce)}}))
	app, err := firebase.NewApp(ctx, &firebase.Config{ProjectID: project}, options...)
	if err != nil {
		return nil, fmt.Errorf("fcm: %w", err)
	}
	client, err := app.Messaging(ctx)
	if err != nil {
		return nil, fmt.Errorf("fcm: %w", err)
	}
	return &sender{client}, nil
}

// Send implements [push.Sender].
func (s *sender) Send(ctx context.Context, messages []push.Message) []push.Outcome {
	list := make([]*messaging.Message, len(messages))
	for i := range messages {
		list[i] = wire(&messages[i])
	}
	outcomes := make([]push.Outcome, len(messages))
	answer, err := s.client.SendEach(ctx, list)
	if err != nil { // the SDK found one of the messages wrong and sent none: each has to be asked about
		return s.sendSingly(ctx, list)
	}
	for i, r := range answer.Responses {
		outcomes[i] = outcomeOf(r.Error, messages[i].Token)
	}
	return outcomes
}

// sendSingly is Send where the SDK refuses the batch.
func (s *sender) sendSingly(ctx context.Context, list []*messaging.Message) []push.Outcome {
	outcomes := make([]push.Outcome, len(list))
	for i, m := range list {
		answer, err := s.client.SendEach(ctx, []*messaging.Message{m})
		if err != nil {
			outcomes[i] = push.Outcome{Reason: push.ReasonInvalid, Detail: withoutToken(err, m.Token)}
			continue
		}
		outcomes[i] = outcomeOf(answer.Responses[0].Error, m.Token)
	}
	return outcomes
}

// outcomeOf reads an error of the SDK.
func outcomeOf(err error, token string) push.Outcome {
	if err == nil {
		return push.Outcome{Reason: push.Sent}
	}
	o := push.Outcome{Reason: reasonOf(err), Detail: withoutToken(err, token)}
	if answer := errorutils.HTTPResponse(err); answer != nil { //nolint:bodyclose // the SDK has read it, and gives a copy
		o.RetryAfter = retryAfter(answer.Header.Get(headerAsked), time.Now())
	}
	return o
}

// withoutToken is what an error says, for logs and pages: should the service repeat a token, it is not kept.
func withoutToken(err error, token string) string {
	return strings.ReplaceAll(err.Error(), token, "…")
}

func reasonOf(err error) push.Reason {
	switch {
	case messaging.IsUnregistered(err):
		return push.ReasonUnregistered
	case messaging.IsSenderIDMismatch(err):
		return push.ReasonMismatch
	case messaging.IsThirdPartyAuthError(err):
		return push.ReasonThirdParty
	case messaging.IsQuotaExceeded(err), errorutils.IsResourceExhausted(err):
		return push.ReasonQuota
	case messaging.IsInvalidArgument(err), errorutils.IsInvalidArgument(err):
		return push.ReasonInvalid
	}
	answer := errorutils.HTTPResponse(err) //nolint:bodyclose // the same
	switch {
	case answer == nil: // an answer that is no JSON, or the time was up
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return push.ReasonNetwork
		}
		return push.ReasonInternal
	case answer.Header.Get(headerFailed) == failedAuth, answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return push.ReasonAuth
	case answer.Header.Get(headerFailed) != "":
		return push.ReasonNetwork
	case messaging.IsUnavailable(err), answer.StatusCode == http.StatusServiceUnavailable:
		return push.ReasonUnavailable
	case answer.StatusCode == http.StatusNotFound: // without a code that says that it is the token: the project
		return push.ReasonAuth
	case answer.StatusCode == http.StatusRequestEntityTooLarge:
		return push.ReasonInvalid
	}
	return push.ReasonInternal
}

// retryAfter reads a header Retry-After: seconds or a date. What is past is 0.
func retryAfter(s string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(s); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// Headers that we put on answers for ourselves.
const (
	headerAsked  = "X-Carrel-Retry-After" // what the service wrote into Retry-After
	headerFailed = "X-Carrel-Failed"      // there was no answer
	failedAuth   = "auth"
	failedOther  = "network"
)

// tooLong is a Retry-After at which the SDK does not try again by itself: it waits two minutes at most.
const tooLong = "86400"

// once lets each request be made once. The SDK would repeat it in memory, up to four times; when to try again is the outbox's to decide, which survives a
// kill. So an answer that would be repeated gets a Retry-After that is too long for the SDK, and no answer at all becomes one.
type once struct {
	next http.RoundTripper
	pace *rate.Limiter
}

// RoundTrip implements [http.RoundTripper].
func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := o.pace.Wait(r.Context()); err != nil {
		return noAnswer(r, err), nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	answer, err := o.next.RoundTrip(r.WithContext(ctx))
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
		err = errors.Join(err, answer.Body.Close())
	}
	if err != nil {
		return noAnswer(r, err), nil
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if answer.StatusCode >= http.StatusInternalServerError {
		answer.Header.Set(headerAsked, answer.Header.Get("Retry-After"))
		answer.Header.Set("Retry-After", tooLong)
	} else if asked := answer.Header.Get("Retry-After"); asked != "" {
		answer.Header.Set(headerAsked, asked)
	}
	return answer, nil
}

// noAnswer stands for an answer that did not come. When there was not even a connection, it is as if the service had said that it is not there.
func noAnswer(r *http.Request, err error) *http.Response {
	header := http.Header{"Retry-After": {tooLong}}
	dial, dialing := errors.AsType[*net.OpError](err)
	_, refused := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case refused, strings.Contains(err.Error(), "invalid_grant"):
		header.Set(headerFailed, failedAuth)
	case !dialing || dial.Op != "dial":
		header.Set(headerFailed, failedOther)
	}
	return &http.Response{
		StatusCode: http.StatusServiceUnavailable, Status: "503 no answer", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: header,
		Body: io.NopCloser(strings.NewReader(err.Error())),
	}
}

// wire makes what the SDK sends.
func wire(m *push.Message) *messaging.Message {
	out := &messaging.Message{Token: m.Token, Data: m.Data}
	if !m.Silent() {
		out.Notification = &messaging.Notification{Title: m.Title, Body: m.Body}
	}
	switch m.Platform {
	case catalog.PlatformAndroid:
		out.Android = android(m)
	case catalog.PlatformIOS:
		out.APNS = apns(m)
	case catalog.PlatformWeb:
		out.Webpush = webpush(m)
	}
	return out
}

func android(m *push.Message) *messaging.AndroidConfig {
	ttl := m.TTL
	c := &messaging.AndroidConfig{CollapseKey: m.Collapse, TTL: &ttl, Priority: "normal"}
	if !m.Silent() {
		c.Priority = "high"
		c.Notification = &messaging.AndroidNotification{ChannelID: m.Channel, Tag: m.Collapse} // one that is sent twice is shown once
	}
	return c
}

// apns makes the headers that Apple asks for: a silent message is a background one of low priority, or it is refused.
func apns(m *push.Message) *messaging.APNSConfig {
	headers := map[string]string{
		"apns-collapse-id": m.Collapse, "apns-expiration": strconv.FormatInt(time.Now().Add(m.TTL).Unix(), 10),
		"apns-push-type": "alert", "apns-priority": "10",
	}
	aps := &messaging.Aps{Sound: "default", ThreadID: m.Channel}
	if m.Silent() {
		headers["apns-push-type"], headers["apns-priority"] = "background", "5"
		aps = &messaging.Aps{ContentAvailable: true}
	}
	return &messaging.APNSConfig{Headers: headers, Payload: &messaging.APNSPayload{Aps: aps}}
}

func webpush(m *push.Message) *messaging.WebpushConfig {
	c := &messaging.WebpushConfig{Headers: map[string]string{
		"TTL": strconv.Itoa(int(m.TTL.Seconds())), "Topic": topic(m.Collapse), "Urgency": "normal",
	}}
	if m.Silent() {
		c.Headers["Urgency"] = "low"
		return c
	}
	c.Notification = &messaging.WebpushNotification{Tag: m.Collapse}
	if strings.HasPrefix(m.Link, "https://") { // FCM takes no other
		c.FCMOptions = &messaging.WebpushFCMOptions{Link: m.Link}
	}
	return c
}

// topic makes a collapse key fit RFC 8030: 32 characters of base64url, of which the last tell the most.
func topic(s string) string {
	const longest = 32
	s = strings.ReplaceAll(s, ".", "_")
	return s[max(len(s)-longest, 0):]
}
