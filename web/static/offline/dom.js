// @ts-check
// Making elements. Texts are set as texts: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "use", "rect", "circle", "path"]);

/**
 * Makes an element. Attributes that are false, null or undefined are left out; so are such children.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...any} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const el = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    el.setAttribute(name, value === true ? "" : String(value));
  }
  el.append(...children.flat(Infinity).filter((c) => c !== false && c != null && c !== ""));
  return el;
}

/** One of the page's icons. @param {string} name */
export const icon = (name) => h("svg", { class: "icon", "aria-hidden": "true" }, h("use", { href: "#i-" + name }));

/** A word for those who do not see. @param {string} text */
export const unseen = (text) => h("span", { class: "unseen" }, text);

/** Says what was done, where the server's pages do. @param {string} text @param {boolean} [good] */
export function say(text, good = true) {
  document.getElementById("status")?.replaceChildren(h("p", { class: "wrap" }, good && icon("check"), text));
}
