package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/locales"
)

// Without a network a page is drawn by the browser, from the rows that it pulled by sync (static/offline). Here is what the server has to do with it: the
// shell, which is such a page without anything in it, the words that the scripts need, and the service worker that answers with the shell.

// offlinePage is the shell. The service worker fetches it as nobody and keeps it; nobody else has a reason to open it.
func (p *pages) offlinePage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	return p.render(w, r, http.StatusOK, viewOffline, layout{Title: v.text.Text("offline.shell", nil), Unlisted: true, WholeBox: true, Shell: true})
}

// worker is the service worker.
func (p *pages) worker(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", mediaTypes[".js"])
	h.Set("Cache-Control", "no-cache") // an update must be seen at once
	_, err := w.Write(p.offline)
	return ignoreGone(err)
}

// shell tells the service worker what to keep.
type shell struct {
	Version string            `json:"version"` // changes with anything in it
	Files   []string          `json:"files"`
	Pages   map[string]string `json:"pages"` // by language
}

// makeWorker puts before the service worker's source what the shell is made of. The bytes change with the shell, which makes browsers fetch it anew.
func makeWorker(v *views, files *assets) ([]byte, error) {
	s := shell{Pages: map[string]string{}}
	for name, address := range files.named {
		if name == "style.css" || name == "favicon.svg" || strings.HasPrefix(name, "offline/") {
			s.Files = append(s.Files, address)
		}
	}
	slices.Sort(s.Files)
	h := sha256.New()
	for _, address := range s.Files {
		fmt.Fprintln(h, address)
	}
	for _, tag := range locales.Tags {
		s.Pages[string(tag)] = "/offline?locale=" + string(tag)
		var page bytes.Buffer
		if err := v.byTag[tag][viewOffline].Execute(&page, layout{Lang: string(tag), Shell: true, Unlisted: true, WholeBox: true}); err != nil {
			return nil, fmt.Errorf("web: the shell: %w", err)
		}
		h.Write(page.Bytes())
	}
	s.Version = hex.EncodeToString(h.Sum(nil))[:hashDigits]
	line, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("web: the shell: %w", err)
	}
	source, err := staticFiles.ReadFile("static/" + workerSource)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return fmt.Appendf(nil, "self.SHELL = %s;\n%s", line, source), nil
}

// The words of the scripts, by the name of their texts: those of every page, and those of the shell besides. Names of texts with a count are apart.
var (
	pageTexts = []string{
		"offline.offline", "offline.synced", "offline.saving", "offline.signed_out", "offline.full", "offline.failed", "offline.both", "offline.title",
		"offline.keep_catalog", "offline.keep_catalog_help", "offline.keep_mine", "offline.keep_mine_help", "offline.remove", "offline.room", "offline.room_used",
		"offline.not_persistent", "offline.lose_title", "offline.lose_leave", "offline.lose_remove", "offline.lose_not", "offline.sign_out_needs",
		"offline.conflict", "offline.rejected", "offline.what_enrollment", "offline.what_review", "offline.what_progress", "offline.what_bookmark",
	}
	pageCounts = []string{"offline.waiting", "offline.kept", "offline.kept_lessons", "offline.lose_text"}
	shellTexts = []string{
		"offline.saved_here", "offline.reviewed", "offline.missing", "offline.missing_help", "offline.nothing_help", "offline.to_list", "offline.from_device",
		"offline.back_online", "offline.sign_in_first", "offline.lessons_later", "offline.others_reviews",
		"done.enrolled", "done.withdrawn", "done.bookmarked", "done.unbookmarked", "done.unreviewed", "done.lesson", "done.completed",
		"duration.minutes", "duration.hours", "duration.hours_minutes", "price.free", "rating.none", "rating.of_five",
		"facet.category", "facet.level", "facet.language", "facet.tags", "facet.duration", "level.all", "level.beginner", "level.intermediate", "level.advanced",
		"page.search.title", "page.search.label", "page.search.placeholder", "page.search.button", "page.search.results", "page.search.more", "page.search.none",
		"page.search.none_for", "page.search.none_filtered", "page.search.none_help", "page.search.all", "page.filters.title", "page.filters.close", "page.filters.fewer",
		"page.course.about", "page.course.by", "page.course.outline", "page.course.reviews", "page.course.facts", "page.course.starts", "page.course.ends",
		"page.course.certificate", "page.course.certificate_yes", "page.course.prerequisites", "page.course.done",
		"page.review.write", "page.review.change", "page.review.course", "page.review.text", "page.review.optional", "page.review.send", "page.review.remove",
		"page.review.enroll_first", "page.lesson.place", "page.lesson.contents", "page.lesson.is_done", "page.lesson.steps", "page.lesson.previous", "page.lesson.next",
		"page.me.title", "page.me.hello", "page.me.current", "page.me.none", "page.me.find", "page.me.bookmarks", "page.me.finished", "page.error.again",
		"action.enroll", "action.begin", "action.continue", "action.start", "action.again", "action.enrolled", "action.upcoming", "action.closed", "action.archived",
		"action.bookmark", "action.unbookmark", "action.withdraw", "action.done", "action.done_next",
	}
	shellCounts = []string{
		"page.search.count", "page.filters.more", "page.filters.show", "page.course.lessons", "page.course.instructors", "page.course.enrolled_count", "progress.lessons", "rating.count", "rating.stars",
	}
)

// slots are the placeholders in those texts, as the scripts fill them.
var slots = map[string]any{
	"Count": "{Count}", "State": "{State}", "Waiting": "{Waiting}", "Used": "{Used}", "Quota": "{Quota}", "Course": "{Course}", "What": "{What}", "Why": "{Why}",
	"Hours": "{Hours}", "Minutes": "{Minutes}", "Rating": "{Rating}", "Query": "{Query}", "Provider": "{Provider}", "Number": "{Number}", "Total": "{Total}",
	"Name": "{Name}", "Date": "{Date}", "Done": "{Done}",
}

// scriptWords are the texts for the scripts of a page, with placeholders to fill; of texts with a count both forms that our languages have.
func scriptWords(p *locales.Printer, shell bool) map[string]any {
	texts, counts := pageTexts, pageCounts
	if shell {
		texts, counts = slices.Concat(texts, shellTexts), slices.Concat(counts, shellCounts)
	}
	out := make(map[string]any, len(texts)+len(counts))
	for _, id := range texts {
		out[id] = p.Text(id, slots)
	}
	for _, id := range counts {
		out[id] = map[string]string{"one": p.Plural(id, 1, slots), "other": p.Plural(id, 2, slots)}
	}
	return out
}
