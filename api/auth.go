package api

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	stdsync "sync"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// authenticate finds out who asks: by a bearer token, else by the session cookie of a browser, else anonymous. What is sent but wrong is an
// error: nobody who meant to be somebody is taken for a stranger.
func (a *API) authenticate(r *http.Request) (catalog.Actor, error) {
	actor, err := a.caller(r)
	if err != nil || actor.Anonymous() {
		return catalog.Actor{}, err
	}
	if a.cfg.Catalog.Erased(actor.Subject, actor.IssuedAt) {
		return catalog.Actor{}, fault.New("api.authenticate", fault.AccountErased)
	}
	if err := a.recordMembership(r.Context(), actor); err != nil {
		return catalog.Actor{}, err
	}
	return a.asOnRecord(r.Context(), actor)
}

// asOnRecord takes an organization from an actor whom a newer token moved elsewhere. The roles go with it: without its organization an
// editor's token would be good for every one.
func (a *API) asOnRecord(ctx context.Context, actor catalog.Actor) (catalog.Actor, error) {
	if actor.Org == "" {
		return actor, nil
	}
	err := a.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		org, err := v.OrgOnRecord(actor)
		if err == nil && org != actor.Org {
			actor.Org, actor.Roles = "", nil
		}
		return err
	})
	return actor, err
}

func (a *API) caller(r *http.Request) (catalog.Actor, error) {
	const op = "api.authenticate"
	switch headers := r.Header.Values("Authorization"); len(headers) {
	case 0:
		return a.bySession(r)
	case 1:
		scheme, token, found := strings.Cut(headers[0], " ")
		if !found || !strings.EqualFold(scheme, "Bearer") {
			return catalog.Actor{}, fault.New(op, fault.InvalidToken)
		}
		return a.cfg.Keys.Verify(strings.TrimSpace(token))
	default:
		return catalog.Actor{}, fault.Wrap(op, fault.InvalidToken, errors.New("more than one Authorization header"))
	}
}

// bySession accepts our pages' cookie, from our pages only: another site's request with it is refused.
func (a *API) bySession(r *http.Request) (catalog.Actor, error) {
	const op = "api.bySession"
	cookie, err := r.Cookie(SessionCookie)
	if err != nil || a.cfg.Sessions == nil {
		return catalog.Actor{}, nil //nolint:nilerr // no cookie is no error
	}
	if err := a.origins.Check(r); err != nil {
		return catalog.Actor{}, fault.Wrap(op, fault.CrossOrigin, err)
	}
	actor, ok, err := a.cfg.Sessions.Actor(cookie.Value)
	if err != nil {
		return catalog.Actor{}, fault.Wrap(op, fault.Internal, err)
	}
	if !ok {
		return catalog.Actor{}, fault.New(op, fault.InvalidToken)
	}
	return actor, nil
}

// maxMembers bounds the memory of members, at about 150 bytes each.
const maxMembers = 50_000

// members remembers which claims are on record already, so that the log is asked once per token and not once per request.
type members struct {
	mu    stdsync.Mutex
	seen  map[claim]*list.Element
	order *list.List // newest first; values are claims
}

type claim struct {
	who    catalog.LearnerID
	org    catalog.OrgID
	issued int64
}

func newMembers() *members { return &members{seen: map[claim]*list.Element{}, order: list.New()} }

func (m *members) knows(c claim) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.seen[c]
	return ok
}

func (m *members) add(c claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.seen[c]; ok {
		return
	}
	if m.order.Len() >= maxMembers {
		last := m.order.Back()
		delete(m.seen, last.Value.(claim))
		m.order.Remove(last)
	}
	m.seen[c] = m.order.PushFront(c)
}

// recordMembership puts a token's organization on record when it is news. That it could not be written (a full disk) keeps nobody
// from reading; the next request tries again. Only that the account was erased meanwhile is an error.
func (a *API) recordMembership(ctx context.Context, actor catalog.Actor) error {
	c := claim{actor.Subject, actor.Org, actor.IssuedAt}
	if a.members.knows(c) {
		return nil
	}
	_, err := a.cfg.Catalog.Update(ctx, actor, func(tx *catalog.Tx) error { return tx.RecordMembership() })
	switch {
	case fault.Is(err, fault.AccountErased):
		return err
	case err != nil:
		a.log.WarnContext(ctx, "api: a membership could not be recorded", slog.Any("error", err))
	default:
		a.members.add(c)
	}
	return nil
}
