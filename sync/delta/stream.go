package delta

import (
	"context"
	"slices"
	stdsync "sync"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// MaxListeners is how many streams are open at once; a waiting one takes some 30 kB with its connection.
	MaxListeners = 20_000
	// streamPause is how long news is gathered before listeners hear of the next: a thousand commits of an import wake a phone ten times a second, not a thousand.
	streamPause = 100 * time.Millisecond
)

// News says that something is there to be pulled.
type News struct {
	Seq      coursesync.Seq // a pull that has seen this sees it all
	Channels []string       // "catalog", "org:acme", "me", "course:x"
}

// Hub tells listeners when their channels move. It reads each change once, however many listen.
type Hub struct {
	s    *Service
	mu   stdsync.Mutex
	subs map[coursesync.Channel]map[*Listener]struct{}
	head coursesync.Seq // up to where listeners have been told
	n    int
}

// NewHub makes a Hub; Run moves it.
func (s *Service) NewHub() *Hub {
	return &Hub{s: s, subs: map[coursesync.Channel]map[*Listener]struct{}{}}
}

// Listener waits for news of the channels of one request.
type Listener struct {
	hub      *Hub
	request  Request
	wish     wish
	news     chan struct{} // has a token while there is something in moved
	channels []coursesync.Channel
	moved    map[coursesync.Channel]struct{} // since the listener last looked; guarded by the hub's lock
	seq      coursesync.Seq                  // the same
}

// Listeners returns how many listen.
func (h *Hub) Listeners() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

// Run follows the log until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	log := h.s.catalog.Log()
	past, err := log.Head(ctx)
	if err != nil {
		return err
	}
	for {
		if err := log.Wait(ctx, past); err != nil {
			return err
		}
		moved := movement{}
		ended := false
		for !ended {
			if past, ended, err = h.read(ctx, past, moved); err != nil {
				return err
			}
		}
		h.tell(moved, past)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(streamPause):
		}
	}
}

// read notes the channels in which readers see something new, in one short view.
func (h *Hub) read(ctx context.Context, past coursesync.Seq, moved movement) (next coursesync.Seq, ended bool, err error) {
	next, ended = past, true
	err = h.s.catalog.View(ctx, func(v *catalog.View) error {
		looked := 0
		for ch := range v.Log().Changes("", past) {
			if looked++; looked > MaxLimit {
				ended = false
				return nil
			}
			next = ch.Seq
			if ch.Op == coursesync.OpErase {
				continue
			}
			p := place{channel: ch.Channel}
			what, err := p.show(v, &ch, nil)
			if err != nil {
				return err
			}
			if what != nothing || ch.Kind == catalog.KindMembership || ch.Kind == catalog.KindAlias {
				moved.note(ch.Channel, ch.Kind)
			}
			if ch.Kind == catalog.KindCourse && what != nothing { // its lessons come and go with it
				moved.note(catalog.ContentChannel(catalog.CourseID(ch.Key)), contentKinds...)
			}
		}
		next = max(next, v.Log().Head())
		return nil
	})
	return next, ended, err
}

// movement is which kinds moved in which channels.
type movement map[coursesync.Channel]map[coursesync.Kind]bool

func (m movement) note(ch coursesync.Channel, kinds ...coursesync.Kind) {
	if m[ch] == nil {
		m[ch] = map[coursesync.Kind]bool{}
	}
	for _, kind := range kinds {
		m[ch][kind] = true
	}
}

// concerns reports whether kinds that moved are what a request asks for, or decide what it may have.
func (r *Request) concerns(kinds map[coursesync.Kind]bool) bool {
	if r.dialect == nil {
		return len(kinds) > 1 || !kinds[catalog.KindAlias]
	}
	if kinds[catalog.KindMembership] || kinds[catalog.KindEnrollment] || kinds[catalog.KindAlias] {
		return true
	}
	for kind := range kinds {
		if r.dialect.kinds[kind] {
			return true
		}
	}
	return false
}

// tell wakes the listeners of channels.
func (h *Hub) tell(moved movement, seq coursesync.Seq) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.head = max(h.head, seq)
	for ch, kinds := range moved {
		for l := range h.subs[ch] {
			if l.request.concerns(kinds) {
				l.wake(ch, seq)
			}
		}
	}
}

// wake notes that a channel moved. The hub's lock is held.
func (l *Listener) wake(ch coursesync.Channel, seq coursesync.Seq) {
	if l.moved == nil {
		l.moved = map[coursesync.Channel]struct{}{}
	}
	l.moved[ch], l.seq = struct{}{}, max(l.seq, seq)
	select {
	case l.news <- struct{}{}:
	default: // it is awake already
	}
}

// Listen begins to wait for news of a request's channels after a Seq; 0 tells at once how far the channels are. Limit, cursor and client play no part.
// The caller closes the listener. Errors: as of Pull; fault.Overloaded when too many listen.
func (h *Hub) Listen(ctx context.Context, r Request, since coursesync.Seq) (*Listener, error) {
	r.Cursor, r.Client = "", ""
	if err := r.check(); err != nil {
		return nil, err
	}
	w, err := parseChannels(r.Channels)
	if err != nil {
		return nil, err
	}
	if r.Actor.Anonymous() && (w.org || w.me || w.courses) {
		return nil, fault.New("delta.Listen", fault.Unauthorized)
	}
	l := &Listener{hub: h, request: r, wish: w, news: make(chan struct{}, 1)}
	h.mu.Lock()
	full := h.n >= MaxListeners
	if !full {
		h.n++
	}
	h.mu.Unlock()
	if full {
		return nil, fault.New("delta.Listen", fault.Overloaded, "retry_after", 30)
	}
	denied, err := l.follow(ctx, func(v *coursesync.BoltView, ch coursesync.Channel) bool { return since == 0 || v.Last(ch) > since })
	if err == nil && len(denied) > 0 {
		err = fault.New("delta.Listen", fault.Forbidden).WithFix("channel %s is not yours", denied[0])
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// follow brings the listener's channels up to what the caller may read now. Those that it gains have news, if new says so.
func (l *Listener) follow(ctx context.Context, news func(*coursesync.BoltView, coursesync.Channel) bool) (denied []coursesync.Channel, err error) {
	err = l.hub.s.catalog.View(ctx, func(v *catalog.View) error {
		a, err := newAccess(v, l.request.Actor)
		if err != nil {
			return err
		}
		var channels []coursesync.Channel
		if channels, denied, err = a.resolve(&l.wish); err != nil {
			return err
		}
		if own := catalog.LearnerChannel(a.actor.Subject); !a.actor.Anonymous() && !slices.Contains(channels, own) {
			channels = append(channels, own) // whoever gains or loses something hears of it there
		}
		l.register(channels, func(ch coursesync.Channel) bool { return news(v.Log(), ch) }, v.Head())
		return nil
	})
	return denied, err
}

// register listens to channels instead of those before, which a view up to head gave. What the hub has told since that view, this listener missed: then
// anything may be new.
func (l *Listener) register(channels []coursesync.Channel, news func(coursesync.Channel) bool, head coursesync.Seq) {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ch := range l.channels {
		if !slices.Contains(channels, ch) {
			h.leave(l, ch)
		}
	}
	for _, ch := range channels {
		if slices.Contains(l.channels, ch) {
			continue
		}
		if h.subs[ch] == nil {
			h.subs[ch] = map[*Listener]struct{}{}
		}
		h.subs[ch][l] = struct{}{}
		if news(ch) || h.head > head {
			l.wake(ch, max(head, h.head))
		}
	}
	l.channels = channels
}

// leave takes a listener from a channel. The lock is held.
func (h *Hub) leave(l *Listener, ch coursesync.Channel) {
	delete(h.subs[ch], l)
	if len(h.subs[ch]) == 0 {
		delete(h.subs, ch)
	}
}

// Close ends the listener. It is called once.
func (l *Listener) Close() {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ch := range l.channels {
		h.leave(l, ch)
	}
	l.channels = nil
	h.n--
}

// Wake is ready to be received from when Take has something.
func (l *Listener) Wake() <-chan struct{} { return l.news }

// Take returns what moved since it was last called; false when nothing that the request names did.
func (l *Listener) Take(ctx context.Context) (News, bool, error) {
	own := catalog.LearnerChannel(l.request.Actor.Subject)
	l.hub.mu.Lock()
	moved, seq := l.moved, l.seq
	l.moved = nil
	l.hub.mu.Unlock()
	news := News{Seq: seq}
	if !l.wish.public() {
		before := slices.Clone(l.channels)
		if _, err := l.follow(ctx, func(*coursesync.BoltView, coursesync.Channel) bool { return false }); err != nil {
			return news, false, err
		}
		for _, ch := range before { // what was lost is to be emptied, which a pull does
			if !slices.Contains(l.channels, ch) {
				news.add(ch)
			}
		}
		for _, ch := range l.channels {
			if !slices.Contains(before, ch) {
				news.add(ch)
			}
		}
	}
	for ch := range moved {
		if ch != own || l.wish.me {
			news.add(ch)
		}
	}
	slices.Sort(news.Channels)
	return news, len(news.Channels) > 0, nil
}

func (n *News) add(ch coursesync.Channel) {
	if name := channelName(ch); !slices.Contains(n.Channels, name) {
		n.Channels = append(n.Channels, name)
	}
}
