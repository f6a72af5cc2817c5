package api

import (
	"container/list"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	stdsync "sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/carrel-lms/carrel/fault"
)

// callers holds a limiter for each caller seen lately. A caller is a subject, or without one an address.
type callers struct {
	limits Limits
	now    func() time.Time

	mu    stdsync.Mutex
	byKey map[string]*list.Element
	order *list.List // most recently seen first; values are *caller
}

type caller struct {
	key     string
	limiter *rate.Limiter
}

func newCallers(limits Limits, now func() time.Time) *callers {
	return &callers{limits: limits, now: now, byKey: map[string]*list.Element{}, order: list.New()}
}

// take takes one request off a caller's allowance. It returns what is left, and how long to wait when nothing was.
func (c *callers) take(key string) (left int, wait time.Duration) {
	now := c.now()
	limiter := c.limiter(key)
	if limiter.AllowN(now, 1) {
		return max(int(limiter.TokensAt(now)), 0), 0
	}
	missing := 1 - limiter.TokensAt(now)
	return 0, time.Duration(missing / c.limits.Rate * float64(time.Second))
}

func (c *callers) limiter(key string) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*caller).limiter
	}
	if c.order.Len() >= c.limits.Callers {
		last := c.order.Back()
		delete(c.byKey, last.Value.(*caller).key)
		c.order.Remove(last)
	}
	one := &caller{key, rate.NewLimiter(rate.Limit(c.limits.Rate), c.limits.Burst)}
	c.byKey[key] = c.order.PushFront(one)
	return one.limiter
}

// limit refuses a caller that asks too often, and says in headers how much is left (draft-ietf-httpapi-ratelimit-headers).
func (a *API) limit(w http.ResponseWriter, r *http.Request) error {
	if a.limits.Rate < 0 {
		return nil
	}
	left, wait := a.callers.take(a.callerKey(r))
	seconds := int(math.Ceil(wait.Seconds()))
	window := max(int(math.Ceil(float64(a.limits.Burst)/a.limits.Rate)), 1)
	refill := max(int(math.Ceil(float64(a.limits.Burst-left)/a.limits.Rate)), seconds)
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, a.limits.Burst, window))
	w.Header().Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%d`, left, refill))
	if wait > 0 {
		return fault.New("api.limit", fault.RateLimited, "retry_after", max(seconds, 1))
	}
	return nil
}

// callerKey tells callers apart: by subject, else by address.
func (a *API) callerKey(r *http.Request) string {
	if who := callOf(r.Context()).actor.Subject; who != "" {
		return "sub:" + string(who)
	}
	return "ip:" + a.Address(r)
}

// Address returns the caller's address: the connection's, or what a trusted proxy says that it is. An IPv6 caller is its /64,
// which one subscriber has whole.
func (a *API) Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.Unmap()
	hops := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
	for i := len(hops) - 1; i >= 0 && a.trusts(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	const subscriber = 64
	if addr.Is6() {
		if p, err := addr.Prefix(subscriber); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

func (a *API) trusts(addr netip.Addr) bool {
	for _, p := range a.cfg.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
