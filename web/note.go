package web

import (
	"net"
	"net/http"
	"strings"

	"github.com/carrel-lms/carrel/insight"
	"github.com/carrel-lms/carrel/search"
)

// noteSearch lets insight count a search that a person made. It reports whether clicks on what was found are worth telling.
func (p *pages) noteSearch(r *http.Request, v *visit, q query, found *search.Response) bool {
	if p.cfg.Insight == nil || q.plain() || r.Method != http.MethodGet || len(q.req.States) > 0 || automatic(r) {
		return false
	}
	text, key := search.Asked(q.req.Q)
	s := insight.Search{
		QueryID: found.QueryID, Actor: v.actor, Caller: p.callerKey(r, v), Locale: v.locale, Text: text, Key: key,
		First: q.req.Cursor == "", Filtered: q.req.Filtered(), Total: found.Total, Relaxed: found.Relaxed, Corrected: found.Corrected != "",
	}
	for _, hit := range found.Hits {
		s.Hits = append(s.Hits, hit.ID)
	}
	p.cfg.Insight.Searched(s)
	return true
}

// callerKey tells visitors apart as package api does: by subject, else by address.
func (p *pages) callerKey(r *http.Request, v *visit) string {
	if !v.actor.Anonymous() {
		return "sub:" + string(v.actor.Subject)
	}
	if p.cfg.Address != nil {
		return "ip:" + p.cfg.Address(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "ip:" + r.RemoteAddr
	}
	return "ip:" + host
}

// robots are words in the names that crawlers and makers of previews give themselves.
var robots = []string{"bot", "crawl", "spider", "slurp", "preview", "facebookexternalhit"}

// automatic reports whether no person asks: a crawler that says so, or a browser that fetches ahead.
func automatic(r *http.Request) bool {
	agent := strings.ToLower(r.UserAgent())
	for _, word := range robots {
		if strings.Contains(agent, word) {
			return true
		}
	}
	return strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch")
}
