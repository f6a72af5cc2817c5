// @ts-check
// The shell's script: it draws the page at this address from what the device keeps. The service worker answers with the shell when there is no network, under
// the address that was asked for, so that links, Back and loading anew work as ever.

import { perform } from "./acts.js";
import { coursePage } from "./coursepage.js";
import { device, keeps } from "./device.js";
import { h, icon } from "./dom.js";
import { begin, saidBefore, sayDone } from "./kept.js";
import { lessonPage } from "./lessonpage.js";
import { listPage } from "./listpage.js";
import { mePage } from "./mepage.js";
import { watchReading } from "./reading.js";
import { showOffline } from "./status.js";
import { t } from "./words.js";

/**
 * A page that is drawn. again draws what may be other now; it must not touch a form when hold says so.
 * @typedef {{title: string, again: (hold: () => boolean) => Promise<void>}} Drawn
 */

const PAUSE = 300; // ms between drawings: a catalog comes in many pages

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const { who, name } = device();
const whose = keeps(who) ? who : keeps("") ? "" : null; // a learner for whom nothing is kept may still see the public catalog; null: nothing is here

/** Draws the page at this address. @param {import("./store.js").Store} store @returns {Promise<Drawn|false>} */
async function draw(store) {
  const [, first, course, second, lesson, rest] = location.pathname.split("/").map(decodeURIComponent);
  if (first === "") return listPage(main, store);
  if (first === "me" && course === undefined) return whose ? mePage(main, store) : false;
  if (first !== "courses" || !course || rest !== undefined) return false;
  if (second === undefined) return coursePage(main, store, course);
  return second === "lessons" && lesson ? lessonPage(main, store, course, lesson) : false;
}

/** Says that this page is not on the device. @param {boolean} any whether others are */
function missing(any) {
  const again = h("button", { class: "button", type: "button" }, t("page.error.again"));
  again.addEventListener("click", () => location.reload());
  main.replaceChildren(h("div", { class: "wrap narrow page error" }, h("h1", {}, t("offline.missing")), h("p", { class: "lead" }, t(any ? "offline.missing_help" : "offline.nothing_help")),
    h("p", { class: "buttons" }, again, any && h("a", { class: "button quiet", href: "/" }, t("offline.to_list")))));
}

/** The line that says that this is the device's page; once the server answers, a way to its own. @param {boolean} back */
function notice(back) {
  const line = document.getElementById("notice");
  if (!line || line.dataset.back === String(back)) return;
  line.dataset.back = String(back);
  line.replaceChildren(h("p", { class: "wrap" }, icon(back ? "kept" : "offline"),
    back ? h("a", { href: location.pathname + location.search }, t("offline.back_online")) : t("offline.from_device")));
}

/** The shell belongs to nobody: the links of its header are made those of this page and this learner. */
function header() {
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("a[hreflang]"))) {
    const q = new URLSearchParams(location.search);
    q.set("locale", link.hreflang);
    link.href = location.pathname + "?" + q;
  }
  const signIn = document.querySelector(".site .sign-in");
  if (who !== "") signIn?.replaceWith(h("a", { class: "sign-in", href: "/me" }, icon("person"), h("span", { class: "sign-in-word" }, name || who)));
  for (const link of document.querySelectorAll(".main-nav a")) {
    if (link.getAttribute("href") === location.pathname) link.setAttribute("aria-current", "page");
  }
}

/** Where the focus is, so that what is drawn in its place can have it. */
function focused() {
  const el = /** @type {any} */ (document.activeElement);
  if (!main.contains(el) || el === main) return "";
  if (el.tagName === "A") return `a[href="${CSS.escape(el.getAttribute("href"))}"]`;
  if (el.name) return `[name="${CSS.escape(el.name)}"]`;
  return el.form ? `form[action="${CSS.escape(el.form.getAttribute("action"))}"] button` : "";
}

/** @param {SubmitEvent} e @param {import("./sync.js").Syncer} syncer */
async function submit(e, syncer) {
  const form = /** @type {HTMLFormElement} */ (e.target);
  if (!form.matches("form[data-live]")) return;
  e.preventDefault();
  const fields = new URLSearchParams();
  for (const [field, value] of new FormData(form, e.submitter)) fields.append(field, String(value));
  const id = await perform(syncer.store, form.action, fields);
  if (!id) return;
  await syncer.did();
  const to = fields.get("return");
  if (!to) { sayDone(id); return; }
  sessionStorage.setItem("carrel-said", id);
  location.href = to;
}

async function start() {
  header();
  notice(false);
  /** @type {Drawn|false} */
  let drawn = false;
  let timer = 0, drafted = false;
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (!drawn || drafted) return;
      const focus = focused();
      await drawn.again(() => drafted);
      if (focus && document.activeElement === document.body) /** @type {HTMLElement|null} */ (main.querySelector(focus))?.focus({ preventScroll: true });
    }, PAUSE);
  };
  main.addEventListener("input", (e) => { if (/** @type {any} */ (e.target).form?.matches("[data-live]")) drafted = true; }); // what one is writing is not drawn anew
  if (whose === null) {
    showOffline(true);
    missing(false);
    return;
  }
  const syncer = await begin(whose, {
    phase: "offline", // or this page would not be here
    changed: again,
    show: ({ phase }) => { if (phase === "idle") notice(true); else if (phase === "offline") notice(false); },
  });
  document.addEventListener("submit", (e) => {
    drafted = false;
    submit(e, syncer);
  });
  drawn = await draw(syncer.store);
  if (drawn) document.title = drawn.title + " – Carrel";
  else missing(true);
  const [, , course, , lesson] = location.pathname.split("/").map(decodeURIComponent);
  if (drawn && lesson) await watchReading(syncer.store, course, lesson, (left) => left ? syncer.did() : syncer.show());
  saidBefore();
}

start();
