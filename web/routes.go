package web

import "net/http"

// routes lists every page and action.
func (p *pages) routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/", p.searchPage},
		{get, "/courses/{id}", p.coursePage},
		{get, "/courses/{id}/lessons/{lesson}", p.lessonPage},
		{post, "/courses/{id}/enroll", p.enroll},
		{post, "/courses/{id}/withdraw", p.withdraw},
		{post, "/courses/{id}/bookmark", p.bookmark},
		{post, "/courses/{id}/review", p.review},
		{post, "/courses/{id}/lessons/{lesson}/done", p.lessonDone},
		{get, "/me", forLearners(p.mePage)},
		{get, "/me/inbox", forLearners(p.inboxPage)},
		{post, "/me/inbox", forLearners(p.readInbox)},
		{get, searchesPath, forLearners(p.searchesPage)},
		{post, searchesPath, p.saveSearch},
		{post, searchesPath + "/{id}", p.changeSearch},
		{get, settingsPath, forLearners(p.settingsPage)},
		{post, settingsPath, p.saveSettings},
		{post, settingsPath + "/devices/{id}", p.removeDevice},
		{get, "/me/delete", forLearners(p.erasePage)},
		{post, "/me/delete", p.erase},
		{get, "/admin", forAdmins(p.adminPage)},
		{get, "/admin/search", forAdmins(p.insightPage)},
		{get, "/admin/search/fix", forAdmins(p.fixPage)},
		{post, "/admin/search/synonym", forAdmins(p.giveSynonym)},
		{post, "/admin/search/pin", forAdmins(p.pinCourse)},
		{get, "/admin/push", forAdmins(p.pushPage)},
		{get, "/sign-in", p.signInPage},
		{post, "/sign-in", p.signIn},
		{post, "/sign-out", p.signOut},
		{get, "/covers/{file}", p.cover},
		{get, "/static/{file}", p.static},
		{get, "/static/offline/{file}", p.static},
		{get, "/offline", p.offlinePage},
		{get, "/sw.js", p.worker},
		{get, "/favicon.ico", p.favicon},
		{get, "/favicon.svg", p.favicon},
		{get, "/sitemap.xml", p.serveSitemap},
		{get, "/robots.txt", p.robots},
	}
}
