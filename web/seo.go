package web

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	stdsync "sync"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/locales"
)

const (
	// maxSitemap is how many addresses a sitemap may hold (sitemaps.org).
	maxSitemap = 50_000
	// sitemapAge is how long one is served before it is made anew: making it reads the catalog, and strangers may ask for it.
	sitemapAge = 10 * time.Minute
	// sitemapPage is how many courses are read at once.
	sitemapPage = 100
)

// sitemapCache holds the sitemap without the server's address: at most maxSitemap entries of about 60 bytes.
type sitemapCache struct {
	mu      stdsync.Mutex
	entries []sitemapEntry
	made    time.Time
}

type sitemapEntry struct {
	path    string
	changed time.Time
}

// list returns the public courses, the cached ones while they are fresh.
func (c *sitemapCache) list(ctx context.Context, p *pages) ([]sitemapEntry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries != nil && p.now().Sub(c.made) < sitemapAge {
		return c.entries, nil
	}
	entries := []sitemapEntry{}
	for after := ""; len(entries) < maxSitemap-1; {
		list, err := p.cfg.Catalog.ListCourses(ctx, catalog.Actor{}, nil, catalog.Page{Limit: sitemapPage, After: after})
		if err != nil {
			return nil, err
		}
		for _, s := range list.Items {
			entries = append(entries, sitemapEntry{courseURL(s.Value.ID), s.At})
		}
		if after = list.Next; after == "" {
			break
		}
	}
	c.entries, c.made = entries[:min(len(entries), maxSitemap-1)], p.now()
	return c.entries, nil
}

func (p *pages) serveSitemap(w http.ResponseWriter, r *http.Request) error {
	entries, err := p.sitemap.list(r.Context(), p)
	if err != nil {
		return err
	}
	base := p.base(r)
	var b bytes.Buffer
	b.WriteString(xml.Header + `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">` + "\n")
	location := func(path string) {
		b.WriteString("<url><loc>")
		_ = xml.EscapeText(&b, []byte(base+path)) // a buffer takes everything
		b.WriteString("</loc>")
	}
	location("/")
	b.WriteString("</url>\n")
	for _, e := range entries {
		location(e.path)
		fmt.Fprintf(&b, "<lastmod>%s</lastmod></url>\n", e.changed.UTC().Format(time.RFC3339))
	}
	b.WriteString("</urlset>\n")
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=600")
	_, err = w.Write(b.Bytes())
	return ignoreGone(err)
}

func (p *pages) robots(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, err := fmt.Fprintf(w, "User-agent: *\nDisallow: /v2/\nDisallow: /me\nDisallow: /admin\nDisallow: /sign-in\nDisallow: /*?*cursor=\n\nSitemap: %s/sitemap.xml\n", p.base(r))
	return ignoreGone(err)
}

// courseLD describes a course to search engines (schema.org).
func (p *pages) courseLD(r *http.Request, doc catalog.Document) map[string]any {
	ld := map[string]any{
		"@context": "https://schema.org", "@type": "Course", "name": doc.Title, "inLanguage": doc.Locale, "url": p.base(r) + courseURL(doc.ID),
		"image": p.base(r) + coverURL(doc.ID, uint64(doc.Version)),
	}
	about := doc.Summary
	if about == "" {
		about = firstWords(doc.Description)
	}
	ld["description"] = about
	if doc.Provider != nil {
		ld["provider"] = map[string]any{"@type": "Organization", "name": *doc.Provider}
	}
	if doc.Level != nil {
		ld["educationalLevel"] = p.cfg.Texts.Printer(locales.English).Text("level."+string(*doc.Level), nil)
	}
	if doc.Rating != nil && doc.RatingCount > 0 {
		ld["aggregateRating"] = map[string]any{"@type": "AggregateRating", "ratingValue": *doc.Rating, "ratingCount": doc.RatingCount, "bestRating": 5, "worstRating": 1}
	}
	if doc.Price != nil && (doc.Currency != nil || *doc.Price == 0) {
		currency := value(doc.Currency)
		if currency == "" {
			currency = "EUR"
		}
		ld["offers"] = map[string]any{"@type": "Offer", "category": paidOrFree(*doc.Price), "price": *doc.Price, "priceCurrency": currency}
	}
	return ld
}

func paidOrFree(price float64) string {
	if price == 0 {
		return "Free"
	}
	return "Paid"
}
