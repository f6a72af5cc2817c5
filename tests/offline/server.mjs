// The server that a Go test started for these tests (clients/databases_test.go): its API, and what only tests may do.

export const url = process.env.CARREL_SERVER;

async function control(path) {
  const response = await fetch(url + path, { method: "POST" });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.text();
}

/** A token of a learner; roles and an organization when they are named. */
export const token = (subject, { org = "", role = "" } = {}) => control(`/test/token?${new URLSearchParams({ subject, org, role })}`);

/** Lets time pass, so that the next token is newer than those before. */
export const later = () => control("/test/later");

/** Does what a restore does: every number and cursor from before is expired. */
export const renew = () => control("/test/renew");

/** Asks the API. */
export async function ask(method, path, as, body) {
  const response = await fetch(url + path, {
    method, headers: { "Content-Type": "application/json", ...(as && { Authorization: `Bearer ${as}` }) }, body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.status === 204 ? undefined : response.json();
}

/** A module as the server serves it. */
export async function module(name) {
  const response = await fetch(`${url}/clients/${name}`);
  return import(`data:text/javascript,${encodeURIComponent(await response.text())}`);
}

let made = 0;

/** A catalog of its own for a test: what it names is nobody else's. */
export async function world(name) {
  const editor = await token("ed", { role: "editor" });
  const id = `${name}${++made}`;
  const put = (course, body) => ask("PUT", `/v2/courses/${course}`, editor, { language: "en", ...body });
  await put(`${id}-a`, { title: "First course", tags: ["Go", "C++"] });
  await put(`${id}-b`, { title: "Second course" });
  await put(`acme~${id}`, { title: "Of an organization" });
  await ask("PUT", `/v2/courses/${id}-a/content`, editor, {
    modules: [{ id: "m1", title: { en: "One" } }], lessons: [{ id: "l1", module: "m1", title: { en: "Hello" }, body: { en: "<p>Hi</p>" } }],
  });
  return { id, a: `${id}-a`, b: `${id}-b`, org: `acme~${id}`, learner: `${name}-learner-${made}`, editor, put };
}
