// @ts-check
// "My courses" from the device.

import { oneCourse } from "./catalog.js";
import { mine } from "./coursepage.js";
import { device } from "./device.js";
import { h, unseen } from "./dom.js";
import { panel } from "./keep.js";
import { card, courseURL, lessonURL, progressBar } from "./parts.js";
import { t } from "./words.js";

/** Draws the page. @param {HTMLElement} main @param {import("./store.js").Store} store */
export async function mePage(main, store) {
  const place = h("section", { id: "keep", class: "keep" }), lists = h("div", { class: "stack" }), name = device().name;
  main.replaceChildren(h("div", { class: "wrap page" }, h("h1", {}, t("page.me.title")), name && h("p", { class: "lead" }, t("page.me.hello", { Name: name })), lists, place));
  const draw = async () => {
    /** @type {Record<string, any[]>} */
    const cards = { active: [], completed: [] };
    for (const e of await store.rows("enrollment")) {
      const c = await oneCourse(store, e.id);
      if (c && e.doc.state in cards) cards[e.doc.state].push(await studied(store, c));
    }
    const marked = await Promise.all((await store.rows("bookmark")).map((b) => oneCourse(store, b.id)));
    const saved = marked.flatMap((c) => c ? [card(c, { small: true })] : []);
    lists.replaceChildren(...[section("current", cards.active) || h("section", {}, h("h2", {}, t("page.me.current")),
      h("div", { class: "empty" }, h("p", {}, t("page.me.none")), h("p", {}, h("a", { class: "button", href: "/" }, t("page.me.find"))))),
    section("bookmarks", saved), section("finished", cards.completed)].filter(Boolean));
  };
  await draw();
  await panel(place, store.who);
  return { title: t("page.me.title"), again: draw };
}

/** @param {string} name @param {any[]} cards */
const section = (name, cards) => cards.length > 0 && h("section", {}, h("h2", {}, t("page.me." + name)), h("ul", { class: "grid" }, cards.map((c) => h("li", {}, c))));

/** The card of a course that the learner takes. @param {import("./store.js").Store} store @param {import("./find.js").Course} c */
async function studied(store, c) {
  const my = await mine(store, c.id), next = my.lessons.find((l) => !my.done.has(l.id)) || my.lessons[0];
  const word = my.state === "completed" ? "again" : my.done.size > 0 ? "continue" : "start";
  return card(c, { small: true, after: [progressBar(my.done.size, my.lessons.length),
    h("p", { class: "card-go" }, h("a", { class: "button quiet", href: next ? lessonURL(next.id) : courseURL(c.id) }, t("action." + word), unseen(" – " + c.doc.title)))] });
}
