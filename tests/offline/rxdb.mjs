// RxDB itself, in memory, against a server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRxDatabase } from "rxdb";
import { replicateRxCollection } from "rxdb/plugins/replication";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
import { filter, firstValueFrom } from "rxjs";
import { ask, later, module, renew, token, url, world } from "./server.mjs";

const { createReplication, documentId, keepLocalChanges } = await module("rxdb.js");

const text = { type: "string" };
const id = { type: "string", maxLength: 300 };
const schema = (properties) => ({ version: 0, primaryKey: "id", type: "object", properties: { id, version: { type: "number" }, ...properties }, required: ["id"] });
const schemas = {
  courses: schema({ title: text, tags: { type: "array", items: text } }),
  lessons: schema({ course: text, body: text }),
  enrollments: schema({ course: text, state: text }),
  bookmarks: schema({ course: text, at: text }),
  progress: schema({ course: text, lesson: text, position: { type: "number" }, completed: { type: "boolean" }, time_by_device: { type: "object" } }),
  reviews: schema({ course: text, rating: { type: "number" }, text }),
};

let databases = 0;

/** A device with a database of its own; batch is small, so that a pull takes pages. */
async function device(t, bearer, { conflictHandler, batchSize = 2, storage = getRxStorageMemory(), live = false } = {}) {
  const database = await createRxDatabase({ name: `test${++databases}`, storage, multiInstance: false });
  const collections = await database.addCollections(Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, { schema, conflictHandler }])));
  const d = { database, bearer, states: {}, ...collections };
  const carrel = createReplication({ url, token: () => d.bearer, locale: "en", batchSize });
  const start = (name) => replicateRxCollection({ ...carrel.replication(collections[name]), live, retryTime: 50, autoStart: true });
  /** Replicates once, or follows the stream when live. Errors of a single round end the test. */
  d.sync = async (...names) => {
    for (const name of names.length ? names : Object.keys(schemas)) {
      const state = start(name);
      const failed = new Promise((_, reject) => state.error$.subscribe((error) => { state.cancel(); reject(error); }));
      await Promise.race([firstValueFrom(state.canceled$.pipe(filter(Boolean))), failed]); // it ends itself, when all is noted
    }
  };
  d.follow = async (name) => {
    d.states[name] = start(name);
    await d.states[name].awaitInitialReplication();
    return d.states[name];
  };
  d.docs = async (name, course) => (await collections[name].find().exec()).map((doc) => doc.toMutableJSON()).filter((doc) => !course || doc.course === course || doc.id === course);
  d.carrel = carrel;
  t.after(() => database.closed || database.remove()); // RxDB opens 16 collections at a time
  return d;
}

/** Waits until something is so. */
async function until(what, check) {
  for (let tries = 0; tries < 400; tries++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`waited in vain until ${what}`);
}

test("first replication in pages, increments, deletions", async (t) => {
  const w = await world("first");
  for (let i = 0; i < 5; i++) await w.put(`${w.id}-k${i}`, { title: `Course ${i}` });
  const d = await device(t, await token(w.learner));
  await d.sync();
  assert.equal((await d.docs("courses")).filter((doc) => doc.id.startsWith(w.id)).length, 7);
  assert.deepEqual((await d.docs("courses", w.a))[0].tags.length, 2);
  await w.put(w.a, { title: "First course, again" });
  await ask("DELETE", `/v2/courses/${w.b}`, w.editor);
  await ask("PUT", `/v2/me/enrollments/${w.a}`, d.bearer, { state: "active" });
  await d.sync();
  assert.equal((await d.docs("courses", w.a))[0].title, "First course, again");
  assert.deepEqual(await d.docs("courses", w.b), []);
  assert.equal((await d.docs("lessons", w.a))[0].body, "<p>Hi</p>");
  await ask("DELETE", `/v2/me/enrollments/${w.a}`, d.bearer);
  await d.sync();
  assert.deepEqual(await d.docs("lessons", w.a), []);
});

test("work without a network, and a document that is refused among good ones", async (t) => {
  const w = await world("offline");
  const d = await device(t, await token(w.learner));
  await d.sync();
  await d.enrollments.insert({ id: "e1", course: w.a, state: "active" });
  await d.bookmarks.insert({ id: "b1", course: "no-such-course" });
  await d.bookmarks.insert({ id: "b2", course: w.b });
  await d.progress.insert({ id: documentId(w.a, "l1"), course: w.a, lesson: "l1", position: 3, completed: false, time_by_device: { d1: 60 } });
  await d.reviews.insert({ id: "r1", course: w.a, rating: 9 });
  await d.sync();
  assert.equal((await ask("GET", "/v2/me/progress", d.bearer)).items[0].position, 3);
  assert.deepEqual((await d.docs("bookmarks")).map((doc) => doc.id), ["b2"]);
  assert.deepEqual(await d.docs("reviews"), []);
  await d.sync();
  assert.ok((await d.docs("enrollments", w.a))[0].version > 0);
  await (await d.bookmarks.findOne("b2").exec()).remove();
  await d.sync();
  assert.deepEqual((await ask("GET", "/v2/me/bookmarks", d.bearer)).items, []);
});

test("two devices: one bookmark, merged progress, conflicts", async (t) => {
  const w = await world("two");
  const bearer = await token(w.learner);
  const [one, two] = [await device(t, bearer), await device(t, bearer, { conflictHandler: keepLocalChanges })];
  await one.sync();
  await two.sync();
  await one.bookmarks.insert({ id: "one", course: w.a });
  await two.bookmarks.insert({ id: "two", course: w.a });
  await one.enrollments.insert({ id: "e1", course: w.a, state: "active" });
  for (const d of [one, two, two, one]) await d.sync();
  for (const d of [one, two]) assert.deepEqual((await d.docs("bookmarks")).map((doc) => doc.id), ["one"]);

  await one.progress.insert({ id: "p1", course: w.a, lesson: "l1", position: 5, completed: false, time_by_device: { one: 10 } });
  await two.progress.insert({ id: "p2", course: w.a, lesson: "l1", position: 2, completed: true, time_by_device: { two: 20 } });
  for (const d of [one, two, one, two]) await d.sync();
  for (const d of [one, two]) {
    const docs = await d.docs("progress");
    assert.deepEqual(docs.map(({ id, position, completed, time_by_device }) => ({ id, position, completed, time_by_device })), [
      { id: "p1", position: 5, completed: true, time_by_device: { one: 10, two: 20 } },
    ]);
  }

  // Two has a handler that keeps what was done here; one gives in, as the database does if nobody says otherwise.
  const state = async (d) => (await d.docs("enrollments"))[0].state;
  await (await one.enrollments.findOne("e1").exec()).patch({ state: "completed" });
  await (await two.enrollments.findOne("e1").exec()).patch({ state: "withdrawn" });
  await one.sync("enrollments");
  await two.sync("enrollments");
  assert.equal((await ask("GET", "/v2/me/enrollments", bearer)).items[0].state, "withdrawn");
  await (await one.enrollments.findOne("e1").exec()).patch({ state: "active" });
  await one.sync("enrollments");
  assert.equal(await state(one), "withdrawn");
  await two.sync("enrollments");
  assert.equal(await state(two), "withdrawn");
});

test("a change of organization", async (t) => {
  const w = await world("org");
  const d = await device(t, await token(w.learner));
  await d.sync("courses");
  await later();
  d.bearer = await token(w.learner, { org: "acme" });
  await d.sync("courses");
  assert.equal((await d.docs("courses", w.org)).length, 1);
  await later();
  d.bearer = await token(w.learner);
  await d.sync("courses");
  assert.deepEqual(await d.docs("courses", w.org), []);
  assert.equal((await d.docs("courses", w.a)).length, 1);
});

test("a cursor that is expired", async (t) => {
  const w = await world("expired");
  const d = await device(t, await token(w.learner));
  await ask("PUT", `/v2/me/bookmarks/${w.b}`, d.bearer);
  await d.sync();
  await d.bookmarks.insert({ id: "mine", course: w.a });
  await ask("DELETE", `/v2/me/bookmarks/${w.b}`, d.bearer);
  await ask("DELETE", `/v2/courses/${w.b}`, w.editor);
  await renew();
  await d.sync();
  assert.deepEqual(await d.docs("courses", w.b), []);
  assert.equal((await d.docs("courses", w.a)).length, 1);
  assert.deepEqual((await d.docs("bookmarks")).map((doc) => doc.id), ["mine"]);
  assert.equal((await ask("GET", "/v2/me/bookmarks", d.bearer)).items.length, 1);
});

test("following the stream, RESYNC", async (t) => {
  const w = await world("stream");
  const bearer = await token(w.learner);
  const d = await device(t, bearer, { live: true });
  await d.follow("bookmarks");
  await d.follow("courses");
  await ask("PUT", `/v2/me/bookmarks/${w.a}`, bearer);
  await until("the bookmark comes", async () => (await d.docs("bookmarks", w.a)).length === 1);
  await w.put(w.a, { title: "While it listens" });
  await until("the course comes", async () => (await d.docs("courses", w.a))[0]?.title === "While it listens");
  await d.bookmarks.insert({ id: "live", course: w.b });
  await until("the bookmark is pushed", async () => (await ask("GET", "/v2/me/bookmarks", bearer)).items.length === 2);
  await until("and has come back", async () => (await d.docs("bookmarks", w.b))[0]?.version > 0);
  await ask("DELETE", `/v2/me/bookmarks/${w.a}`, bearer);
  await until("the bookmark goes", async () => (await d.docs("bookmarks", w.a)).length === 0);
  assert.equal(await d.carrel.signOut(d.database, Object.values(d.states), () => false), true);
});

test("signing out with work that is not pushed", async (t) => {
  const w = await world("out");
  const d = await device(t, await token(w.learner), { live: true });
  const state = await d.follow("bookmarks");
  d.bearer = "no token any more";
  await d.bookmarks.insert({ id: "b1", course: w.a });
  let asked = 0;
  assert.equal(await d.carrel.signOut(d.database, [state], () => { asked++; return false; }, 300), false);
  assert.equal((await d.docs("bookmarks")).length, 1);
  assert.equal(await d.carrel.signOut(d.database, [state], () => { asked++; return true; }, 300), true);
  assert.equal(asked, 2);
});
