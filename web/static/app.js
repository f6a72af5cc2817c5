// @ts-check
// Carrel's pages work without this file. It makes searching and acting quicker: the server's pages are fetched and their changed parts put in
// place, so there is one way in which every page is made.

const box = () => /** @type {HTMLInputElement|null} */ (document.querySelector("[data-combobox]"));
const form = () => /** @type {HTMLFormElement|null} */ (document.querySelector("form#search"));
const words = document.body.dataset;

/** Says something to those who cannot see it. @param {string} text */
function announce(text) {
  const status = document.getElementById("status");
  if (!status) return;
  let line = status.querySelector(".spoken");
  if (!line) {
    line = document.createElement("span");
    line.className = "spoken unseen";
    status.append(line);
  }
  line.textContent = "";
  setTimeout(() => { line.textContent = text; }, 50);
}

// ---------------------------------------------------------------- fetching pages

/** @type {AbortController|null} */
let running = null;

/**
 * Fetches a page of ours.
 * @param {string} url @param {RequestInit} [init]
 * @returns {Promise<{doc: Document, url: string, ok: boolean}>}
 */
async function page(url, init = {}) {
  const answer = await fetch(url, { ...init, headers: { Accept: "text/html" }, credentials: "same-origin" });
  const text = await answer.text();
  return { doc: new DOMParser().parseFromString(text, "text/html"), url: answer.url, ok: answer.ok };
}

/** Which element has the focus, so that its like in a new part can have it. */
function focused() {
  const el = /** @type {any} */ (document.activeElement);
  if (!el || el === document.body) return null;
  const at = el.id ? "#" + CSS.escape(el.id)
    : el.name ? `[name="${CSS.escape(el.name)}"]` + (el.type === "checkbox" || el.type === "radio" ? `[value="${CSS.escape(el.value)}"]` : "")
    : el.form && el.tagName === "BUTTON" ? `form[action="${CSS.escape(el.form.getAttribute("action") || "")}"] button` : null;
  return { at, start: el.selectionStart, end: el.selectionEnd };
}

/** Puts a part of a fetched page in place of ours. What was unfolded stays so. @param {Document} doc @param {string} id */
function replace(doc, id) {
  const old = document.getElementById(id), fresh = doc.getElementById(id);
  if (!old || !fresh) return false;
  for (const d of old.querySelectorAll("details[id]")) {
    const like = fresh.querySelector("#" + CSS.escape(d.id));
    if (like) like.toggleAttribute("open", /** @type {HTMLDetailsElement} */ (d).open);
  }
  const top = old.scrollTop;
  old.replaceChildren(...document.adoptNode(fresh).childNodes);
  old.scrollTop = top;
  return true;
}

/** Takes over a fetched page: title, language links, parts. @param {Document} doc @param {string[]} ids */
function takeOver(doc, ids) {
  const focus = focused();
  document.title = doc.title;
  for (const id of ids) replace(doc, id);
  for (const place of [".menu ul", ".site-end ul"]) {
    const old = document.querySelector(place), fresh = doc.querySelector(place);
    if (old && fresh) old.replaceChildren(...document.adoptNode(fresh).childNodes);
  }
  if (focus?.at && document.activeElement === document.body) {
    const el = /** @type {any} */ (document.querySelector(focus.at));
    el?.focus({ preventScroll: true });
    if (el && focus.start != null && el.setSelectionRange && el.type !== "checkbox" && el.type !== "radio") el.setSelectionRange(focus.start, focus.end);
  }
}

// ---------------------------------------------------------------- searching

/** The address of what the form says: empty fields leave no trace in it. @param {HTMLFormElement} f */
function address(f) {
  const q = new URLSearchParams();
  for (const [name, value] of new FormData(f)) {
    if (typeof value === "string" && value.trim() !== "" && !name.startsWith("in_") && !q.getAll(name).includes(value)) q.append(name, value);
  }
  const text = q.toString();
  return "/" + (text ? "?" + text : "");
}

/** Shows a search. @param {string} url @param {"push"|"replace"|"none"} history_ @param {boolean} [refill] also the box */
async function show(url, history_, refill = false) {
  running?.abort();
  const control = running = new AbortController();
  const results = document.getElementById("results");
  results?.setAttribute("aria-busy", "true");
  try {
    const found = await page(url, { signal: control.signal });
    if (control !== running) return;
    if (!found.doc.getElementById("results")) { location.href = url; return; }
    if (history_ === "push") { remember(); history.pushState({}, "", url); }
    if (history_ === "replace") history.replaceState({}, "", url);
    takeOver(found.doc, ["facets", "results"]);
    const hero = document.getElementById("hero"), fresh = found.doc.getElementById("hero");
    if (hero && fresh) {
      hero.className = fresh.className;
      hero.querySelector("h1")?.replaceWith(fresh.querySelector("h1") || "");
      const lead = hero.querySelector(".lead"), freshLead = fresh.querySelector(".lead");
      if (lead && !freshLead) lead.remove();
      if (!lead && freshLead) hero.querySelector("h1")?.after(freshLead);
      const q = /** @type {HTMLInputElement|null} */ (fresh.querySelector("#q")), mine = box();
      if (refill && q && mine) mine.value = q.getAttribute("value") || "";
    }
    const end = document.querySelector(".sheet-end"), freshEnd = found.doc.querySelector(".sheet-end");
    if (end && freshEnd) for (const part of [".show", "a"]) {
      const a = end.querySelector(part), b = freshEnd.querySelector(part);
      if (a && b) { a.textContent = b.textContent; a.toggleAttribute("hidden", b.hasAttribute("hidden")); if (b.hasAttribute("href")) a.setAttribute("href", b.getAttribute("href") || "/"); }
    }
    announce(document.getElementById("count")?.textContent || "");
  } catch (e) {
    if (/** @type {Error} */ (e).name !== "AbortError") location.href = url;
  } finally {
    if (control === running) document.getElementById("results")?.removeAttribute("aria-busy");
  }
}

// ---------------------------------------------------------------- Back: list and scroll

const KEY = "carrel-list:";
const KEPT = 12; // lists remembered in this tab

/** Remembers how far down this page is, and the list when more was added to it. */
function remember() {
  history.replaceState({ ...history.state, y: scrollY }, "");
  const cards = document.getElementById("cards");
  if (!cards || !cards.dataset.grown) return;
  try {
    const keys = Object.keys(sessionStorage).filter((k) => k.startsWith(KEY));
    if (keys.length >= KEPT) sessionStorage.removeItem(keys[0]);
    sessionStorage.setItem(KEY + location.pathname + location.search, document.getElementById("results")?.innerHTML || "");
  } catch { /* a full store: Back shows the first page */ }
}

/** Brings back what remember has stored. */
function restore() {
  const kept = sessionStorage.getItem(KEY + location.pathname + location.search), results = document.getElementById("results");
  if (kept && results) {
    results.innerHTML = kept;
    const cards = document.getElementById("cards");
    if (cards) cards.dataset.grown = "true";
  }
  const y = history.state?.y;
  if (typeof y === "number") scrollTo(0, y);
}

// ---------------------------------------------------------------- events

let typing = 0;

document.addEventListener("change", (e) => {
  const el = /** @type {HTMLInputElement} */ (e.target);
  const f = form();
  if (!f || el.form !== f || el.id === "q" || el.name.startsWith("in_")) return;
  for (const like of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(`input[type="checkbox"][name="${CSS.escape(el.name)}"]`))) {
    if (like.value === el.value) like.checked = el.checked; // a value found within a facet may stand there twice
  }
  show(address(f), "push");
});

document.addEventListener("input", (e) => {
  const el = /** @type {HTMLInputElement} */ (e.target);
  const facet = el.dataset?.find, f = form();
  if (!facet || !f) return;
  clearTimeout(typing);
  typing = setTimeout(async () => { // only this facet changes, and the address does not
    const at = address(f);
    const url = at + (el.value.trim() ? (at.includes("?") ? "&" : "?") + new URLSearchParams([[el.name, el.value]]) : "");
    try {
      const found = await page(url);
      const old = document.getElementById(facet)?.querySelector("fieldset"), fresh = found.doc.getElementById(facet)?.querySelector("fieldset");
      const into = old?.querySelector(".more > ul");
      if (!old || !into) return;
      old.classList.toggle("finding", el.value.trim() !== ""); // the usual values step aside
      const lists = el.value.trim() ? ":scope > ul > li" : ".more > ul > li";
      into.replaceChildren(...[...(fresh?.querySelectorAll(lists) || [])].map((li) => document.adoptNode(li)));
    } catch { /* the list stays as it is */ }
  }, 200);
});

document.addEventListener("submit", async (e) => {
  const f = /** @type {HTMLFormElement} */ (e.target);
  if (f.id === "search") {
    e.preventDefault();
    closeList();
    box()?.blur();
    show(address(f), "push");
    return;
  }
  if (!f.matches("form[data-live]")) return;
  e.preventDefault();
  const body = new URLSearchParams();
  for (const [name, value] of new FormData(f, /** @type {SubmitEvent} */ (e).submitter)) body.append(name, String(value));
  const main = document.getElementById("main");
  main?.setAttribute("aria-busy", "true");
  try {
    const done = await page(f.action, { method: "POST", body });
    if (!done.ok) { // the page says why, and where to go
      takeOver(done.doc, ["main"]);
      scrollTo(0, 0);
      announce(document.querySelector("h1")?.textContent || "");
      return;
    }
    enrolled(f.action);
    dispatchEvent(new Event("carrel:sent")); // there is something new to pull
    const url = new URL(done.url);
    const said = done.doc.querySelector("#status p");
    url.searchParams.delete("done");
    if (url.pathname !== location.pathname) { location.href = done.url; return; }
    history.replaceState(history.state, "", url.pathname + url.search + location.hash);
    takeOver(done.doc, ["main"]);
    const status = document.getElementById("status");
    if (status) status.replaceChildren(...(said ? [document.adoptNode(said)] : []));
  } catch {
    // A device that keeps the catalog takes what could not be sent (offline/kept.js).
    if (!dispatchEvent(new CustomEvent("carrel:unsent", { cancelable: true, detail: { action: f.action, body } }))) return;
    announce(words.failed || "");
    alertLine(words.failed || "");
  } finally {
    main?.removeAttribute("aria-busy");
  }
});

/** Shows a sentence where results of actions are told. @param {string} text */
function alertLine(text) {
  const p = document.createElement("p");
  p.className = "wrap";
  p.textContent = text;
  document.getElementById("status")?.replaceChildren(p);
}

document.addEventListener("click", async (e) => {
  if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  const target = /** @type {Element} */ (e.target);
  const link = /** @type {HTMLAnchorElement|null} */ (target.closest("a"));
  const sheet = /** @type {HTMLElement|null} */ (target.closest("[data-sheet]"));
  if (sheet) {
    e.preventDefault();
    openSheet(sheet.dataset.sheet === "open");
  } else if (link?.matches("[data-more]")) {
    e.preventDefault();
    more(link);
  } else if (link?.matches("[data-live]") && form()) {
    e.preventDefault();
    show(link.href, "push", true);
  }
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(target)) menu.removeAttribute("open");
  }
});

// ---------------------------------------------------------------- telling what was chosen

const CAME = "carrel-came:";

/**
 * Tells the server what was done with a course that was found. Nothing depends on whether that arrives.
 * @param {"click"|"enroll"} type @param {string} course @param {{query: string, position: number}} from
 */
function tell(type, course, from) {
  const body = JSON.stringify({ query_id: from.query, type, id: course, position: from.position });
  if (!navigator.sendBeacon?.("/v2/events", new Blob([body], { type: "application/json" }))) {
    fetch("/v2/events", { method: "POST", body, headers: { "Content-Type": "application/json" }, credentials: "same-origin", keepalive: true }).catch(() => {});
  }
}

/** The course that an address of its page or of its form names. @param {string} url */
const courseIn = (url) => decodeURIComponent(new URL(url, location.href).pathname.split("/")[2] || "");

/** Tells of a click on a course found, and remembers the search until one enrolls. @param {Event} e */
function choose(e) {
  const link = /** @type {HTMLAnchorElement|null} */ (/** @type {Element} */ (e.target).closest("#cards h3 a"));
  const li = link?.closest("li"), all = li?.parentElement;
  const query = li?.dataset.search || all?.dataset.search;
  if (!link || !li || !all || !query) return;
  const course = courseIn(link.href), from = { query, position: [...all.children].indexOf(li) + 1 };
  tell("click", course, from);
  try {
    sessionStorage.setItem(CAME + course, JSON.stringify(from));
  } catch { /* a full store: the enrollment is not told */ }
}
document.addEventListener("click", choose);
document.addEventListener("auxclick", (e) => { if (e.button === 1) choose(e); });

/** Tells of an enrollment in a course that was found. @param {string} action the form's address */
function enrolled(action) {
  if (!new URL(action).pathname.endsWith("/enroll")) return;
  const course = courseIn(action), kept = sessionStorage.getItem(CAME + course);
  if (!kept) return;
  sessionStorage.removeItem(CAME + course);
  tell("enroll", course, JSON.parse(kept));
}

/** Appends the next page of results. @param {HTMLAnchorElement} link */
async function more(link) {
  link.setAttribute("aria-busy", "true");
  try {
    const found = await page(link.href);
    const cards = document.getElementById("cards"), fresh = found.doc.getElementById("cards");
    if (!cards || !fresh) { location.href = link.href; return; }
    const first = fresh.firstElementChild;
    cards.dataset.grown = "true";
    for (const li of /** @type {Iterable<HTMLElement>} */ (fresh.children)) li.dataset.search = fresh.dataset.search; // which is another than the first page's
    cards.append(...document.adoptNode(fresh).children);
    const next = found.doc.querySelector("[data-more]");
    if (next) link.setAttribute("href", next.getAttribute("href") || "");
    else link.parentElement?.remove();
    /** @type {HTMLElement|null|undefined} */ (first?.querySelector("h3 a"))?.focus({ preventScroll: true });
  } catch {
    location.href = link.href;
  } finally {
    link.removeAttribute("aria-busy");
  }
}

/** Opens or closes the filters where they are a sheet. @param {boolean} open */
function openSheet(open) {
  const sheet = document.getElementById("filters");
  if (!sheet) return;
  if (location.hash === "#filters") history.replaceState(history.state, "", location.pathname + location.search);
  sheet.classList.toggle("open", open);
  for (const el of document.querySelectorAll("body > :not(main), #hero, #results")) el.toggleAttribute("inert", open);
  document.documentElement.style.overflow = open ? "hidden" : "";
  const to = /** @type {HTMLElement|null} */ (document.querySelector(open ? ".sheet-close" : ".open-filters"));
  to?.focus({ preventScroll: true });
}

document.addEventListener("keydown", (e) => {
  const at = /** @type {HTMLElement} */ (e.target);
  if (e.key === "Escape") {
    if (document.querySelector("#filters.open")) openSheet(false);
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      menu.removeAttribute("open");
      /** @type {HTMLElement|null} */ (menu.querySelector("summary"))?.focus();
    }
  }
  if (e.key !== "/" || e.metaKey || e.ctrlKey || e.altKey || at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) && !/^(checkbox|radio)$/.test(/** @type {any} */ (at).type)) return;
  const q = box() || /** @type {HTMLInputElement|null} */ (document.getElementById("small-q"));
  if (!q) return;
  e.preventDefault();
  q.focus();
  q.select();
});

addEventListener("popstate", async () => {
  if (!form()) return;
  const state = history.state;
  await show(location.pathname + location.search, "none", true);
  if (state?.y !== undefined) history.replaceState(state, "");
  restore();
});
addEventListener("pagehide", remember);
matchMedia("(min-width: 48.01rem)").addEventListener("change", (m) => { if (m.matches && document.querySelector("#filters.open")) openSheet(false); });

// ---------------------------------------------------------------- suggestions: a combobox with a list, as WAI-ARIA has it

/** @type {HTMLUListElement|null} */
let list = null;
/** @type {{text: string, kind: string, id?: string}[]} */
let offered = [];
let chosen = -1;
let asked = 0;
let wait = 0;

function setUpBox() {
  const input = box();
  if (!input) return;
  list = document.createElement("ul");
  list.className = "suggestions";
  list.id = "suggestions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", words.suggestions || "");
  list.hidden = true;
  input.form?.append(list);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", "suggestions"], ["aria-haspopup", "listbox"]]) input.setAttribute(name, value);
  input.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(() => suggest(input), 120);
  });
  input.addEventListener("keydown", (e) => steer(input, e));
  input.addEventListener("blur", () => setTimeout(closeList, 150));
  list.addEventListener("mousedown", (e) => e.preventDefault()); // the box keeps the focus
  list.addEventListener("click", (e) => {
    const li = /** @type {Element} */ (e.target).closest("li");
    if (li) take(input, Number(li.dataset.at));
  });
}

/** @param {HTMLInputElement} input */
async function suggest(input) {
  const q = input.value.trim(), mine = ++asked;
  if (!q) { closeList(); return; }
  try {
    const answer = await fetch("/v2/suggest?" + new URLSearchParams({ q, locale: document.documentElement.lang }), { credentials: "same-origin" });
    if (!answer.ok || mine !== asked) return;
    offered = (await answer.json()).suggestions || [];
  } catch { return; }
  if (document.activeElement === input) openList(input);
}

const ICONS = /** @type {Record<string, string>} */ ({ course: "file", tag: "mark", instructor: "person", query: "search" });

/** @param {HTMLInputElement} input */
function openList(input) {
  if (!list) return;
  chosen = -1;
  input.removeAttribute("aria-activedescendant");
  list.replaceChildren(...offered.map((s, i) => {
    const li = document.createElement("li");
    li.id = "suggestion-" + i;
    li.dataset.at = String(i);
    li.setAttribute("role", "option");
    li.setAttribute("aria-selected", "false");
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    icon.setAttribute("class", "icon");
    icon.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", "#i-" + (ICONS[s.kind] || "search"));
    icon.append(use);
    const text = document.createElement("span"), kind = document.createElement("span");
    text.textContent = s.text;
    kind.className = "soft";
    kind.textContent = words[s.kind] || "";
    li.append(icon, text, kind);
    return li;
  }));
  list.hidden = offered.length === 0;
  input.setAttribute("aria-expanded", String(offered.length > 0));
}

function closeList() {
  asked++;
  clearTimeout(wait);
  if (list) list.hidden = true;
  const input = box();
  input?.setAttribute("aria-expanded", "false");
  input?.removeAttribute("aria-activedescendant");
  chosen = -1;
}

/** @param {HTMLInputElement} input @param {KeyboardEvent} e */
function steer(input, e) {
  if (e.isComposing) return; // the keys belong to an input method
  const open = list && !list.hidden;
  if (e.key === "Escape" && open) {
    e.preventDefault();
    closeList();
  } else if (e.key === "Enter" && open && chosen >= 0) {
    e.preventDefault();
    take(input, chosen);
  } else if (e.key === "ArrowDown" || e.key === "ArrowUp") {
    e.preventDefault();
    if (!open) { suggest(input); return; }
    const n = offered.length;
    chosen = e.key === "ArrowDown" ? (chosen + 1) % n : (chosen <= 0 ? n : chosen) - 1;
    list?.querySelectorAll("li").forEach((li, i) => {
      li.setAttribute("aria-selected", String(i === chosen));
      if (i === chosen) li.scrollIntoView({ block: "nearest" });
    });
    input.setAttribute("aria-activedescendant", "suggestion-" + chosen);
  }
}

/** Does what a suggestion says. @param {HTMLInputElement} input @param {number} i */
function take(input, i) {
  const s = offered[i];
  if (!s) return;
  closeList();
  const filters = /** @type {Record<string, string>} */ ({ tag: "tag", instructor: "instructor" });
  const param = filters[s.kind];
  let url = "/?" + new URLSearchParams({ q: s.text });
  if (s.kind === "course" && s.id) { location.href = "/courses/" + encodeURIComponent(s.id); return; }
  if (param && s.id) {
    input.value = "";
    url = "/?" + new URLSearchParams({ [param]: s.id });
  } else {
    input.value = s.text;
    const f = form();
    if (f) url = address(f);
  }
  if (form()) show(url, "push", true);
  else location.href = url;
}

// ---------------------------------------------------------------- start

setUpBox();
const nav = /** @type {PerformanceNavigationTiming|undefined} */ (performance.getEntriesByType("navigation")[0]);
if (form() && nav?.type === "back_forward") restore();
{
  const contents = /** @type {HTMLDetailsElement|null} */ (document.querySelector(".contents")); // unfolded where there is room
  if (contents && matchMedia("(min-width: 60rem)").matches) contents.open = true;
  for (const wide of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".lesson-body :is(pre, table)"))) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0; // so that the keyboard can move it
  }
  const url = new URL(location.href);
  if (url.searchParams.has("done")) { // told once
    url.searchParams.delete("done");
    history.replaceState(history.state, "", url.pathname + url.search + url.hash);
  }
  const zone = /** @type {HTMLInputElement|null} */ (document.getElementById("timezone")), offer = document.getElementById("zone-here");
  if (zone && offer) { // all time zones that the browser knows, and that of this device
    const all = Intl.supportedValuesOf?.("timeZone") || [], here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (all.length > 0) document.getElementById("zones")?.replaceChildren(...["UTC", ...all].map((name) => new Option("", name)));
    offer.hidden = !here || here === zone.value;
    /** @type {HTMLElement} */ (offer.querySelector("b")).textContent = here;
    offer.addEventListener("click", () => { zone.value = here; offer.hidden = true; zone.focus(); });
  }
  if (location.hash === "#filters") openSheet(true);
}
