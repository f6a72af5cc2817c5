// @ts-check
// The way to pages without a network, on every page of the server's. It is small: whoever keeps nothing on this device loads no more than this, and no service
// worker is there for them.

import { able, device, keeps, keepsAny, meet } from "./device.js";

const { who = "", name = "", left } = document.body.dataset;

async function start() {
  const before = device();
  if (left !== undefined && before.who !== "") { // the form wiped it already; this is for whoever left in another way
    const { wipe } = await import("./kept.js");
    await wipe(before.who);
  }
  if (keepsAny()) {
    meet(who, name);
    navigator.serviceWorker.register("/sw.js");
    rememberLanguage();
  }
  if (keeps(who) || keeps("")) {
    const { begin } = await import("./kept.js");
    await begin(keeps(who) ? who : ""); // a learner for whom nothing is kept still has the public catalog
  } else if (keepsAny()) {
    const { showOffline } = await import("./status.js");
    for (const event of ["online", "offline"]) addEventListener(event, () => showOffline(!navigator.onLine));
  }
  const place = document.getElementById("keep");
  if (place) {
    const { panel } = await import("./keep.js");
    panel(place, who);
  }
}

/** The service worker answers in the language of the page seen last: it cannot read localStorage, but caches. */
async function rememberLanguage() {
  const state = await caches.open("carrel-state");
  await state.put("/offline", new Response(document.documentElement.lang));
}

if (able()) start();
