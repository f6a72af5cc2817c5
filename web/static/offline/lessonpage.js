// @ts-check
// A lesson from the device.

import { actionForm, mine } from "./coursepage.js";
import { h, icon } from "./dom.js";
import { courseURL, duration, lessonURL, other, outline, progressBar } from "./parts.js";
import { lessonBody } from "./safe.js";
import { num, t } from "./words.js";

/**
 * Draws the page; false when the device has no such lesson.
 * @param {HTMLElement} main @param {import("./store.js").Store} store @param {string} course @param {string} lesson
 */
export async function lessonPage(main, store, course, lesson) {
  const key = course + "/" + lesson, about = await store.row("course", course);
  const here = await store.row("lesson", key);
  if (!here || !about) return false;
  const body = h("div", { class: "prose lesson-body", lang: other(here.doc.locale) }, lessonBody(here.doc.body));
  const side = h("aside", { class: "lesson-side" }), head = h("header"), end = h("footer", { class: "lesson-end" });
  main.replaceChildren(h("div", { class: "wrap lesson-columns" }, side, h("article", { class: "lesson" }, head, body, end)));
  const draw = async () => { // the body stays, and with it the place at which one reads
    const my = await mine(store, course), i = my.lessons.findIndex((l) => l.id === key), [before, after] = [my.lessons[i - 1], my.lessons[i + 1]];
    const contents = h("details", { class: "contents", open: matchMedia("(min-width: 60rem)").matches }, h("summary", {}, t("page.lesson.contents")),
      h("nav", { "aria-label": t("page.lesson.contents") }, outline(my, my.done, key)));
    side.replaceChildren(...[h("p", { class: "eyebrow" }, h("a", { href: courseURL(course), lang: other(about.doc.locale) }, icon("back"), about.doc.title)),
      my.state && progressBar(my.done.size, my.lessons.length), contents].filter(Boolean));
    const place = t("page.lesson.place", { Number: num(i + 1), Total: num(my.lessons.length) }), minutes = here.doc.duration_minutes;
    head.replaceChildren(h("p", { class: "eyebrow" }, my.modules.find((m) => m.id === here.doc.module)?.doc.title || ""),
      h("h1", {}, here.doc.title), h("p", { class: "soft" }, place + (minutes ? " · " + duration(minutes) : "")));
    end.replaceChildren(...[mark(my, key, after), steps(before, after)].filter(Boolean));
  };
  await draw();
  for (const wide of /** @type {NodeListOf<HTMLElement>} */ (body.querySelectorAll("pre, table"))) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0; // so that the keyboard can move it
  }
  return { title: here.doc.title + " · " + about.doc.title, again: draw };
}

/** @param {Awaited<ReturnType<typeof mine>>} my @param {string} key @param {any} after */
function mark(my, key, after) {
  if (my.done.has(key)) return h("p", { class: "state done" }, icon("check"), t("page.lesson.is_done"));
  if (!my.state) return null;
  const course = courseURL(key.slice(0, key.indexOf("/")));
  return actionForm(lessonURL(key) + "/done", { return: after ? lessonURL(after.id) : course },
    h("button", { class: "button" }, icon("check"), t(after ? "action.done_next" : "action.done")));
}

/** @param {any} before @param {any} after */
function steps(before, after) {
  const words = (/** @type {string} */ way, /** @type {any} */ l) => h("span", {}, h("span", { class: "soft" }, t("page.lesson." + way)), h("span", {}, l.doc.title));
  return h("nav", { class: "steps", "aria-label": t("page.lesson.steps") },
    before ? h("a", { rel: "prev", href: lessonURL(before.id) }, icon("back"), words("previous", before)) : h("span"),
    after ? h("a", { rel: "next", class: "step-next", href: lessonURL(after.id) }, words("next", after), icon("next")) : h("span"));
}
