// @ts-check
// A question that must be answered before something is lost.

import { h } from "./dom.js";

/**
 * Asks. Escape, or leaving the question otherwise, means no.
 * @param {{title: string, text: string, yes: string, no: string}} words
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, yes, no }) {
  return new Promise((answer) => {
    const box = h("dialog", { class: "question", "aria-labelledby": "question-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "question-title" }, title),
        h("p", {}, text),
        h("p", { class: "buttons" }, h("button", { class: "button quiet", value: "no", autofocus: true }, no), h("button", { class: "button", value: "yes" }, yes))));
    box.addEventListener("close", () => {
      answer(box.returnValue === "yes");
      box.remove();
    });
    document.body.append(box);
    box.showModal();
  });
}
