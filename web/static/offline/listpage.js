// @ts-check
// The list of courses from the device: search and filters, with the server's addresses.

import { courses } from "./catalog.js";
import { h, icon, unseen } from "./dom.js";
import { find } from "./find.js";
import { card, language } from "./parts.js";
import { n, num, t } from "./words.js";

/** @typedef {import("./store.js").Store} Store */

const STEP = 20; // courses shown at first, and more each time
const FEW = 6; // values of a filter shown at once

const TITLES = /** @type {Record<string, string>} */ ({ category: "facet.category", level: "facet.level", language: "facet.language", tag: "facet.tags" });

/**
 * Draws the page. What is typed or chosen changes the address and the results, not the rest.
 * @param {HTMLElement} main @param {Store} store
 */
export async function listPage(main, store) {
  const all = await courses(store), query = new URLSearchParams(location.search);
  const box = h("input", { id: "q", name: "q", type: "search", value: query.get("q") || "", placeholder: t("page.search.placeholder"), autocomplete: "off", maxlength: 512 });
  const form = h("form", { id: "search", class: "search", action: "/", role: "search" }, h("label", { class: "unseen", for: "q" }, t("page.search.label")),
    h("div", { class: "box" }, icon("search"), box, h("button", {}, t("page.search.button"))));
  const facets = h("div", { class: "sheet-body", id: "facets" }), results = h("section", { id: "results", class: "results", "aria-label": t("page.search.results") });
  main.replaceChildren(
    h("div", { class: "hero low", id: "hero" }, h("div", { class: "wrap" }, h("h1", { class: "unseen" }, t("page.search.title")), form)),
    h("div", { class: "wrap columns" },
      h("aside", { id: "filters", class: "filters", "aria-label": t("page.filters.title") },
        h("div", { class: "sheet-head" }, h("h2", {}, t("page.filters.title")), h("a", { class: "sheet-close", href: "#results", "aria-label": t("page.filters.close") }, icon("close"))), facets,
        h("div", { class: "sheet-end" }, h("a", { class: "button show", href: "#results" }))),
      results));

  const show = () => draw(all, new URLSearchParams(location.search), facets, results);
  const go = () => {
    const q = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string" && value.trim()) q.append(name, value);
    history.replaceState(history.state, "", "/" + (q.size ? "?" + q : "") + location.hash);
    show();
    const status = document.getElementById("status");
    if (status) status.replaceChildren(unseen(document.getElementById("count")?.textContent || ""));
  };
  form.addEventListener("submit", (/** @type {Event} */ e) => { e.preventDefault(); go(); });
  facets.addEventListener("change", go);
  addEventListener("popstate", show);
  show();
  return { title: t("page.search.title"), again: async () => { all.splice(0, all.length, ...await courses(store)); show(); } };
}

/** @param {import("./find.js").Course[]} all @param {URLSearchParams} query @param {HTMLElement} facets @param {HTMLElement} results */
function draw(all, query, facets, results) {
  const q = query.get("q") || "", found = find(all, q, query);
  const open = new Set([...facets.querySelectorAll("details[open]")].map((d) => d.id)), focus = /** @type {any} */ (document.activeElement);
  const first = facets.childElementCount === 0;
  facets.replaceChildren(...found.facets.filter((f) => f.values.length > 0).map((f) => facet(f, first ? f.param !== "tag" || matchMedia("(min-width: 48.01rem)").matches : open.has("facet-" + f.param), open.has("more-" + f.param))));
  if (focus?.name && focus.type === "checkbox") /** @type {any} */ (facets.querySelector(`[name="${CSS.escape(focus.name)}"][value="${CSS.escape(focus.value)}"]`))?.focus({ preventScroll: true });
  const filters = found.facets.flatMap((f) => f.values.filter((v) => v.selected)).length;
  const list = h("ol", { class: "cards", id: "cards" }), more = h("p", { class: "more-results" }, h("button", { class: "button quiet", type: "button" }, t("page.search.more")));
  const add = () => {
    const from = list.childElementCount;
    list.append(...found.hits.slice(from, from + STEP).map((c) => h("li", {}, card(c))));
    more.hidden = list.childElementCount >= found.hits.length;
    return list.children[from];
  };
  add();
  more.firstElementChild?.addEventListener("click", () => add()?.querySelector("a")?.focus());
  const close = document.querySelector(".sheet-end .show");
  if (close) close.textContent = n("page.filters.show", found.hits.length);
  results.replaceChildren(
    h("div", { class: "toolbar" }, h("p", { id: "count", class: "count-line" }, n("page.search.count", found.hits.length)),
      h("a", { class: "button quiet open-filters", href: "#filters" }, icon("filter"), t("page.filters.title"), filters > 0 && h("span", { class: "badge" }, num(filters)))),
    ...(found.hits.length ? [h("h2", { class: "unseen" }, t("page.search.results")), list, more] : [nothing(q, filters > 0)]));
}

/** @param {string} q @param {boolean} filtered */
function nothing(q, filtered) {
  const heading = filtered ? t("page.search.none_filtered") : q ? t("page.search.none_for", { Query: q }) : t("page.search.none");
  return h("div", { class: "empty" }, h("h2", {}, heading), h("p", {}, t("page.search.none_help")), h("p", {}, h("a", { href: "/" }, t("page.search.all"))));
}

/**
 * One filter.
 * @param {{param: string, values: {id: string, label: string, count: number, selected: boolean}[]}} f @param {boolean} open @param {boolean} unfolded
 */
function facet({ param, values }, open, unfolded) {
  const option = (/** @type {any} */ v) => h("li", {}, h("label", { class: "option" }, h("input", { form: "search", type: "checkbox", name: param, value: v.id, checked: v.selected }),
    h("span", { class: "option-text" }, label(param, v)), h("span", { class: "count" }, num(v.count))));
  const shown = Math.max(FEW, values.filter((v) => v.selected).length), rest = values.slice(shown), title = t(TITLES[param]);
  return h("details", { class: "facet", id: "facet-" + param, open }, h("summary", {}, h("h3", {}, title)),
    h("fieldset", {}, h("legend", { class: "unseen" }, title), h("ul", {}, values.slice(0, shown).map(option)),
      rest.length > 0 && h("details", { class: "more", id: "more-" + param, open: unfolded },
        h("summary", {}, h("span", { class: "when-closed" }, n("page.filters.more", rest.length)), h("span", { class: "when-open" }, t("page.filters.fewer")), unseen(" – " + title)),
        h("ul", {}, rest.map(option)))));
}

/** @param {string} param @param {{id: string, label: string}} v */
const label = (param, v) => param === "level" ? t("level." + v.id) : param === "language" ? language(v.id) : v.label;
