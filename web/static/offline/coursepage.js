// @ts-check
// A course from the device, and what one can do with it. The forms are the server's: acts.js carries them out here.

import { doneIn } from "./acts.js";
import { oneCourse } from "./catalog.js";
import { h, icon, unseen } from "./dom.js";
import { cover, courseURL, duration, language, lessonURL, other, outline, price, progressBar, rating } from "./parts.js";
import { day, n, t } from "./words.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./find.js").Course} Course */

/** What a learner has of a course, and its lessons. @param {Store} store @param {string} id */
export async function mine(store, id) {
  const [enrollment, review, bookmark, modules, lessons, done] = await Promise.all([
    store.row("enrollment", id), store.row("review", id), store.row("bookmark", id), store.rows("module", id), store.rows("lesson", id), doneIn(store, id),
  ]);
  const place = new Map(modules.map((m) => [m.id, m.doc.position]));
  const position = (/** @type {any} */ a, /** @type {any} */ b) => a.doc.position - b.doc.position || (a.id < b.id ? -1 : 1);
  modules.sort(position);
  lessons.sort((a, b) => (place.get(a.doc.module) ?? 0) - (place.get(b.doc.module) ?? 0) || position(a, b));
  const state = enrollment && enrollment.doc.state !== "withdrawn" ? enrollment.doc.state : "";
  return { state, review, bookmark, modules, lessons, done };
}

/** Draws the page; false when the device has no such course. @param {HTMLElement} main @param {Store} store @param {string} id */
export async function coursePage(main, store, id) {
  const found = await oneCourse(store, id);
  if (!found) return false;
  const before = (await Promise.all((found.doc.prerequisites || []).map((/** @type {string} */ x) => store.row("course", x)))).filter(Boolean);
  const draw = async (/** @type {() => boolean} */ hold = () => false) => {
    const my = await mine(store, id), course = await oneCourse(store, id) || found, doc = course.doc;
    if (hold()) return;
    main.replaceChildren(
      h("div", { class: "course-head" }, h("div", { class: "wrap course-top" }, intro(course),
        h("div", { class: "course-box" }, cover(course), h("div", { class: "course-do", id: "action" }, actions(course, my, store.who !== ""))))),
      h("div", { class: "wrap course-columns" }, h("div", { class: "course-main" },
        doc.description && h("section", { class: "prose", lang: other(doc.locale) }, h("h2", { lang: other(doc.locale) && document.documentElement.lang }, t("page.course.about")),
          doc.description.split(/\n\s*\n/).map((/** @type {string} */ p) => h("p", {}, p))),
        lessonsOf(my),
        course.people.length > 0 && h("section", { id: "instructors" }, h("h2", {}, n("page.course.instructors", course.people.length)),
          h("ul", { class: "people" }, course.people.map((p) => h("li", {}, h("h3", {}, h("a", { href: "/?" + new URLSearchParams({ q: p.name }) }, p.name)))))),
        store.who !== "" && h("section", { id: "reviews" }, h("h2", {}, t("page.course.reviews")),
          my.state ? reviewForm(course, my.review?.doc) : h("p", { class: "soft" }, t("page.review.enroll_first")), h("p", { class: "soft" }, t("offline.others_reviews")))),
      glance(course, before)));
  };
  await draw();
  return { title: found.doc.title, again: draw };
}

/** @param {Course} c */
function intro(c) {
  const [category] = c.categories, doc = c.doc;
  return h("div", { class: "course-intro" },
    category && h("p", { class: "eyebrow" }, h("a", { href: "/?" + new URLSearchParams({ category: category.id }) }, category.label)),
    h("h1", { lang: other(doc.locale) }, doc.title), doc.summary && h("p", { class: "lead", lang: other(doc.locale) }, doc.summary),
    h("p", { class: "line" }, rating(c), c.learners > 0 && h("span", { class: "soft" }, icon("people"), n("page.course.enrolled_count", c.learners))),
    doc.provider && h("p", { class: "by" }, t("page.course.by", { Provider: doc.provider })));
}

/** Why one cannot enroll now; "" when one can. @param {any} doc */
function closed(doc) {
  const now = Date.now();
  if (doc.state === "archived") return t("action.archived");
  if (doc.enrollment_opens_at && Date.parse(doc.enrollment_opens_at) > now) return t("action.upcoming", { Date: day(doc.enrollment_opens_at) });
  if (doc.enrollment_closes_at && Date.parse(doc.enrollment_closes_at) <= now) return t("action.closed", { Date: day(doc.enrollment_closes_at) });
  return "";
}

/**
 * A form of the server's.
 * @param {string} action @param {Record<string, string>} fields @param {...any} inside
 */
export const actionForm = (action, fields, ...inside) => h("form", { method: "post", action, "data-live": true },
  Object.entries(fields).map(([name, value]) => h("input", { type: "hidden", name, value })), inside);

/** @param {Course} c @param {Awaited<ReturnType<typeof mine>>} my @param {boolean} known */
function actions(c, my, known) {
  const at = courseURL(c.id), why = closed(c.doc), cost = price(c.doc), next = my.lessons.find((l) => !my.done.has(l.id)) || my.lessons[0];
  const word = my.state === "completed" ? "again" : my.done.size > 0 ? "continue" : "begin";
  const main = !known ? h("p", { class: "state" }, t("offline.sign_in_first"))
    : my.state && next ? h("a", { class: "button wide", href: lessonURL(my.state === "completed" ? my.lessons[0].id : next.id) }, t("action." + word))
    : my.state ? h("p", { class: "state" }, t("action.enrolled"))
    : why ? h("p", { class: "state" }, why)
    : actionForm(at + "/enroll", {}, h("button", { class: "button wide" }, t("action.enroll")));
  return [cost && h("p", { class: "big-price" }, cost), my.state && progressBar(my.done.size, my.lessons.length), main, known && h("div", { class: "second" },
    actionForm(at + "/bookmark", { on: String(!my.bookmark) }, h("button", { class: my.bookmark ? "plain on" : "plain" }, icon("mark"), t(my.bookmark ? "action.unbookmark" : "action.bookmark"))),
    my.state && actionForm(at + "/withdraw", {}, h("button", { class: "plain" }, t("action.withdraw"))))];
}

/** @param {Awaited<ReturnType<typeof mine>>} my */
function lessonsOf(my) {
  if (my.lessons.length === 0) return my.state && h("section", { id: "outline" }, h("h2", {}, t("page.course.outline")), h("p", { class: "hint" }, t("offline.lessons_later")));
  return h("section", { id: "outline" }, h("h2", {}, t("page.course.outline")), h("p", { class: "soft" }, n("page.course.lessons", my.lessons.length)), outline(my, my.done));
}

/** @param {string} name @param {string} legend @param {number} chosen @param {boolean} needed */
const starInput = (name, legend, chosen, needed) => h("fieldset", { class: "star-input" }, h("legend", {}, legend, !needed && h("span", { class: "soft" }, " " + t("page.review.optional"))),
  h("div", {}, [1, 2, 3, 4, 5].map((value) => h("label", {}, h("input", { type: "radio", name, value, required: needed, checked: value === chosen }),
    h("svg", { class: "star", viewBox: "0 0 20 20", "aria-hidden": "true" }, h("use", { href: "#s5", width: 100, height: 20 })), unseen(n("rating.stars", value))))));

/** @param {Course} c @param {any} review */
function reviewForm(c, review) {
  const form = actionForm(courseURL(c.id) + "/review", {}, starInput("rating", t("page.review.course"), review?.rating, true),
    c.people.map((p) => starInput("instructor:" + p.id, p.name, review?.instructors?.[p.id], false)),
    h("label", { class: "field" }, h("span", {}, t("page.review.text") + " ", h("span", { class: "soft" }, t("page.review.optional"))),
      h("textarea", { name: "text", rows: 4, maxlength: 5000 }, review?.text || "")),
    h("p", { class: "buttons" }, h("button", { class: "button" }, t("page.review.send")),
      review && h("button", { class: "button quiet", name: "remove", value: "true", formnovalidate: true }, t("page.review.remove"))));
  return h("details", { class: "review-form", open: !review }, h("summary", {}, t(review ? "page.review.change" : "page.review.write")), form);
}

/** @param {Course} c @param {any[]} before the rows of its prerequisites */
function glance(c, before) {
  const doc = c.doc, row = (/** @type {string} */ name, /** @type {string} */ title, /** @type {any} */ text) => text && h("div", {}, h("dt", {}, icon(name), t(title)), h("dd", {}, text));
  return h("aside", { class: "course-facts", "aria-label": t("page.course.facts") },
    h("dl", {}, row("level", "facet.level", doc.level && t("level." + doc.level)), row("clock", "facet.duration", doc.duration_minutes && duration(doc.duration_minutes)),
      row("globe", "facet.language", language(doc.language)), row("calendar", "page.course.starts", doc.starts_at && day(doc.starts_at)),
      row("calendar", "page.course.ends", doc.ends_at && day(doc.ends_at)), row("award", "page.course.certificate", doc.certificate && t("page.course.certificate_yes"))),
    before.length > 0 && [h("h2", {}, t("page.course.prerequisites")), h("ul", {}, before.map((x) => h("li", {}, h("a", { href: courseURL(x.id), lang: other(x.doc.locale) }, x.doc.title))))],
    c.tags.length > 0 && [h("h2", {}, t("facet.tags")), h("ul", { class: "tags" }, c.tags.map((tag) => h("li", {}, h("a", { href: "/?" + new URLSearchParams({ tag: tag.id }) }, tag.label))))]);
}
