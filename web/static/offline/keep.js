// @ts-check
// The place on a page where one says whether this device keeps the catalog: a button for whoever is not signed in, a switch for a learner. Nothing is
// stored before.

import { keeps } from "./device.js";
import { h, icon, say } from "./dom.js";
import { current, keep, unkeep } from "./kept.js";
import { n, size, t } from "./words.js";

/**
 * Fills the place in.
 * @param {HTMLElement} place @param {string} who
 */
export async function panel(place, who) {
  const mine = who !== "", on = keeps(who), kind = mine ? "mine" : "catalog";
  const facts = h("p", { class: "soft", "aria-live": "polite" });
  const toggle = async () => {
    place.setAttribute("aria-busy", "true");
    try {
      if (keeps(who)) await unkeep(who);
      else await keep(who);
    } catch { // a browser that keeps nothing, in a private window say
      say(document.body.dataset.failed || "", false);
    } finally {
      place.removeAttribute("aria-busy");
    }
    const line = document.getElementById("offline-state");
    if (line && !keeps(who)) line.hidden = true;
    await panel(place, who);
    /** @type {HTMLElement|null} */ (place.querySelector("button, input"))?.focus();
  };
  const control = mine
    ? h("label", { class: "switch" }, h("input", { type: "checkbox", role: "switch", checked: on }), h("span", {}, t("offline.keep_mine")))
    : h("button", { class: "button quiet", type: "button" }, icon(on ? "close" : "kept"), t(on ? "offline.remove" : "offline.keep_catalog"));
  control.addEventListener(mine ? "change" : "click", toggle);
  place.replaceChildren(h("h2", {}, t("offline.title")), h("p", {}, t(`offline.keep_${kind}_help`)), h("p", {}, control), facts);
  place.hidden = false;
  await tellFacts(facts, who);
  if (on) watch(facts, who);
}

/** Says how much is kept, and how much room there is. @param {HTMLElement} facts @param {string} who */
async function tellFacts(facts, who) {
  const store = current()?.store, parts = [];
  if (keeps(who) && store) {
    parts.push(n("offline.kept", await store.size("course")));
    const lessons = await store.size("lesson");
    if (lessons > 0) parts.push(n("offline.kept_lessons", lessons));
  }
  const { usage = 0, quota = 0 } = await navigator.storage?.estimate?.() || {};
  if (quota > 0) parts.push(keeps(who) ? t("offline.room_used", { Used: size(usage), Quota: size(quota) }) : t("offline.room", { Quota: size(Math.max(quota - usage, 0)) }));
  if (keeps(who) && await navigator.storage?.persisted?.() === false) parts.push(t("offline.not_persistent"));
  facts.textContent = parts.join(" ");
}

/** Follows the numbers while the catalog comes. @param {HTMLElement} facts @param {string} who */
function watch(facts, who) {
  const line = document.getElementById("offline-state"), sync = line && new MutationObserver(() => {
    if (facts.isConnected) tellFacts(facts, who);
    else sync?.disconnect();
  });
  if (line) sync?.observe(line, { attributes: true, attributeFilter: ["data-phase"] });
}
