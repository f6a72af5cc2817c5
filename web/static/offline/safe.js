// @ts-check
// Lessons are HTML that the server has sanitized. They are taken over element by element all the same: only what is named here gets into the page, so
// that a row that something else wrote into the store can do no more than look odd.

const ELEMENTS = new Set(("a abbr b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption figure h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q " +
  "rp rt ruby s samp small span strong sub summary sup table tbody td tfoot th thead tr u ul var").split(" "));
const ATTRIBUTES = new Set("alt cite colspan datetime dir height href lang rowspan scope span src start title width".split(" "));
const DROPPED = new Set("script style iframe object embed template noscript form input button textarea select svg math".split(" ")); // with all that is in them

/** @param {string} name @param {string} value */
const harmless = (name, value) => !["href", "src", "cite"].includes(name) || /^(https?:|mailto:|\/(?!\/)|#)/i.test(value.trim());

/** @param {Node} from @param {Node} to */
function take(from, to) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) to.appendChild(document.createTextNode(node.nodeValue || ""));
    if (!(node instanceof Element)) continue;
    const name = node.localName;
    if (DROPPED.has(name)) continue;
    if (!ELEMENTS.has(name)) { take(node, to); continue; }
    const copy = document.createElement(name);
    for (const { name: attribute, value } of node.attributes) {
      if (ATTRIBUTES.has(attribute) && harmless(attribute, value)) copy.setAttribute(attribute, value);
    }
    if (name === "a") copy.setAttribute("rel", "external noopener nofollow");
    take(node, copy);
    to.appendChild(copy);
  }
}

/** Makes elements of a lesson's body. @param {string} html @returns {DocumentFragment} */
export function lessonBody(html) {
  const out = document.createDocumentFragment();
  take(new DOMParser().parseFromString(html, "text/html").body, out); // a document of its own: nothing in it runs or loads
  return out;
}
