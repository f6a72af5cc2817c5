// @ts-check
// The parts of pages drawn from the device. They are made as the server's templates make them (templates/parts.html), so that one stylesheet serves both.

import { h, icon, unseen } from "./dom.js";
import { lang, n, num, t } from "./words.js";

/** @typedef {import("./find.js").Course} Course */

/** @param {string} id */
export const courseURL = (id) => "/courses/" + encodeURIComponent(id);

/** @param {string} row the id of a lesson's row: course/lesson */
export function lessonURL(row) {
  const cut = row.indexOf("/");
  return courseURL(row.slice(0, cut)) + "/lessons/" + encodeURIComponent(row.slice(cut + 1));
}

/** A text's language, where it is not the page's. @param {string|undefined} locale */
export const other = (locale) => locale && locale !== lang ? locale : undefined;

/** @param {number} minutes */
export function duration(minutes) {
  const hours = Math.floor(minutes / 60), rest = minutes % 60, data = { Hours: num(hours), Minutes: num(rest) };
  if (hours === 0) return t("duration.minutes", data);
  return t(rest === 0 || hours >= 100 ? "duration.hours" : "duration.hours_minutes", data);
}

/** @param {string} tag */
export function language(tag) {
  const name = new Intl.DisplayNames([lang], { type: "language" }).of(tag === "zh-Hans" ? "zh" : tag) || tag;
  return name[0].toUpperCase() + name.slice(1);
}

/** @param {any} doc */
export function price(doc) {
  if (doc.price === null) return "";
  if (doc.price === 0) return t("price.free");
  return doc.currency ? doc.price.toLocaleString(lang, { style: "currency", currency: doc.currency }) : num(doc.price, 2);
}

/** @param {number} value of 5 */
export function stars(value) {
  const width = Math.min(100, Math.max(0, Math.round(value * 20)));
  return h("svg", { class: "stars", viewBox: "0 0 100 20", "aria-hidden": "true" }, h("use", { href: "#s5" }),
    h("svg", { class: "on", width, height: 20, viewBox: `0 0 ${width} 20` }, h("use", { href: "#s5", width: 100, height: 20 })));
}

/** @param {{rating: number|null, count: number}} of */
export function rating({ rating: value, count }) {
  if (value === null) return h("span", { class: "soft" }, t("rating.none"));
  const shown = num(value, 1);
  return h("span", { class: "rating" }, h("b", { "aria-hidden": "true" }, shown), stars(value), unseen(t("rating.of_five", { Rating: shown })),
    count > 0 && h("span", { class: "soft" }, `(${n("rating.count", count)})`));
}

/** A drawing in place of the cover, which is not kept: the subject gives the color, the course the rings. @param {Course} c */
export function cover(c) {
  const hash = (/** @type {string} */ s) => [...s].reduce((x, ch) => (x * 31 + /** @type {number} */ (ch.codePointAt(0))) % 99991, 7);
  const hue = hash(c.categories.at(-1)?.id || "") * 137 % 360, seed = hash(c.id), x = 40 + seed % 240, y = seed % 2 * 200;
  const rings = [190, 150, 110, 70].map((r, i) => h("circle", { cx: x, cy: y, r, fill: `hsl(${hue + i * 6} 42% ${38 + i * 9}%)` }));
  return h("svg", { class: "cover", viewBox: "0 0 320 200", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" },
    h("rect", { width: 320, height: 200, fill: `hsl(${hue} 44% 30%)` }), rings, h("circle", { cx: (x + 140) % 320, cy: 60 + seed % 80, r: 14, fill: "hsl(42 68% 66%)" }));
}

/** @param {string} name @param {string} label @param {string|null} text */
const fact = (name, label, text) => text && h("span", {}, icon(name), unseen(label + " "), text);

/** @param {any} doc */
export const facts = (doc) => h("p", { class: "facts" },
  fact("level", t("facet.level"), doc.level && t("level." + doc.level)),
  fact("clock", t("facet.duration"), doc.duration_minutes && duration(doc.duration_minutes)),
  fact("globe", t("facet.language"), language(doc.language)));

/** A course in a list. @param {Course} c @param {{small?: boolean, after?: any}} [how] */
export function card(c, { small = false, after } = {}) {
  const doc = c.doc, cost = price(doc);
  return h("article", { class: small ? "card small" : "card" }, cover(c), h("div", { class: "card-text" },
    h("h3", { lang: other(doc.locale) }, h("a", { href: courseURL(c.id) }, doc.title)),
    doc.provider && h("p", { class: "provider" }, doc.provider),
    h("p", { class: "line" }, rating(c)),
    !small && doc.summary && h("p", { class: "summary", lang: other(doc.locale) }, doc.summary),
    facts(doc),
    !small && h("div", { class: "card-end" }, h("ul", { class: "tags" }, c.tags.slice(0, 4).map((tag) => h("li", {}, tag.label))),
      cost && h("span", { class: doc.price === 0 ? "price free" : "price" }, cost)),
    after));
}

/** How much of a course is done. @param {number} done @param {number} total */
export const progressBar = (done, total) => total > 0 && h("div", { class: "progress" },
  h("svg", { class: "bar", viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" }, h("rect", { width: Math.floor(done * 100 / total), height: 1 })),
  h("span", {}, n("progress.lessons", total, { Done: num(done) })));

/**
 * The modules of a course with their lessons.
 * @param {{modules: any[], lessons: any[]}} content @param {Set<string>} done @param {string} [current]
 */
export function outline({ modules, lessons }, done, current) {
  return h("ol", { class: "outline" }, modules.map((m) => {
    const own = lessons.filter((l) => l.doc.module === m.id), minutes = own.reduce((sum, l) => sum + (l.doc.duration_minutes || 0), 0);
    return h("li", {}, h("p", { class: "chapter" }, h("b", {}, m.doc.title), minutes > 0 && h("span", { class: "soft" }, duration(minutes))),
      h("ol", {}, own.map((l) => h("li", { class: done.has(l.id) && "done" },
        h("a", { href: lessonURL(l.id), "aria-current": l.id === current && "page" },
          done.has(l.id) ? [icon("check"), unseen(t("page.course.done") + " ")] : h("span", { class: "ring", "aria-hidden": "true" }),
          h("span", { class: "lesson-title" }, l.doc.title), l.doc.duration_minutes && h("span", { class: "soft" }, duration(l.doc.duration_minutes)))))));
  }));
}
