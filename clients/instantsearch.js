// Connects the widgets of instantsearch.js (and its React and Vue versions) with a Carrel server. See docs/instantsearch.md.

/**
 * @typedef {{ indexName?: string, params?: Record<string, unknown>, type?: string, facet?: string }} SearchRequest
 * @typedef {{ url?: string, token?: string | (() => string | Promise<string>), locale?: string, fetch?: typeof fetch }} Options
 */

const CACHED = 50; // answers, each of one call
const FRESH = 30_000; // milliseconds that an answer is taken for true

/** What the server refused, and why. */
export class SearchError extends Error {
  /** @param {number} status @param {{ title?: string, detail?: string, code?: string, errors?: unknown[] }} problem */
  constructor(status, problem) {
    super(problem.detail || problem.title || `The search server answered ${status}`);
    this.name = "SearchError";
    this.status = status;
    this.code = problem.code;
    this.errors = problem.errors || [];
  }
}

/**
 * Makes a search client. Answers that come late are dropped by InstantSearch itself, so nothing is aborted here.
 * @param {Options} [options] url: the server's address, "" for the page's own; token: a bearer token, or a function that gives one;
 *   locale: "en", "fr" or "zh-Hans", else the browser's.
 */
export function createSearchClient({ url = "", token, locale, fetch: send = (...args) => fetch(...args) } = {}) {
  const address = `${url.replace(/\/+$/, "")}/v2/instantsearch${locale ? `?locale=${encodeURIComponent(locale)}` : ""}`;
  /** @type {Map<string, { at: number, text: Promise<string> }>} */
  const cache = new Map();

  /** @param {string} body */
  async function ask(body) {
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json" };
    const bearer = typeof token === "function" ? await token() : token;
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    const response = await send(address, { method: "POST", headers, body });
    if (!response.ok) throw new SearchError(response.status, await response.json().catch(() => ({})));
    return response.text();
  }

  /** @param {SearchRequest[] | { requests: SearchRequest[] }} requests */
  async function search(requests) {
    const body = JSON.stringify(requests);
    let known = cache.get(body);
    if (!known || Date.now() - known.at > FRESH) {
      known = { at: Date.now(), text: ask(body) };
      cache.delete(body);
      cache.set(body, known);
      if (cache.size > CACHED) cache.delete(/** @type {string} */ (cache.keys().next().value));
    }
    try {
      return JSON.parse(await known.text); // anew for each caller: widgets write into answers
    } catch (error) {
      if (cache.get(body) === known) cache.delete(body);
      throw error;
    }
  }

  return {
    search,
    /** @param {SearchRequest[]} requests */
    searchForFacetValues: async (requests) => (await search(requests)).results,
    clearCache: () => cache.clear(),
  };
}
