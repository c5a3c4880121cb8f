import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseEvents, readEvents, toBusEvent } from "./read-events.ts";

const EVENT = { source: "tenantkeys.application", "detail-type": "TenantSignedUp", detail: { tenantId: "acme" } };
const text = JSON.stringify(EVENT);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tenantkeys-read-events-"));
});
afterEach(() => rm(directory, { recursive: true }));

async function read(source: string, stdin = "") {
  const events = [];
  for await (const event of readEvents(source, async () => stdin)) events.push(event);
  return events;
}

const origins = (events: Iterable<{ origin: string; kind: string }>) =>
  [...events].map(({ origin, kind }) => `${kind} ${origin}`);

test("one event, an array and JSON Lines are read, each event with its place", () => {
  expect(origins(parseEvents(text, "f"))).toEqual(["event f"]);
  expect(origins(parseEvents(`[${text}, ${text}]`, "f"))).toEqual(["event f#1", "event f#2"]);
  expect(origins(parseEvents(`${text}\n\n${text}\n`, "f"))).toEqual(["event f:1", "event f:3"]);
});

test("a bad line doesn't take the good ones with it", () => {
  const events = [...parseEvents(`${text}\n{"source":\n${text}`, "f")];
  expect(origins(events)).toEqual(["event f:1", "unreadable f:2", "event f:3"]);
  expect(events[1]).toMatchObject({ error: { code: "input_unreadable", message: "f:2: the line is not JSON" } });
});

test("text without a single event is refused as a whole", () => {
  expect(() => [...parseEvents("not json", "f")]).toThrow(/f: expected JSON: an event, an array/);
  expect(() => [...parseEvents("", "f")]).toThrow(/expected JSON/);
});

test("the event of a refused sample is taken out of it", () => {
  expect(toBusEvent({ expected: { code: "event_invalid" }, event: EVENT })).toEqual({ ...EVENT, time: undefined });
});

test("of an event that came over a bus what the bus takes is kept, and where it came from", () => {
  const time = "2026-03-02T09:45:00Z";
  const from = { account: "111122223333", region: "eu-west-1" };
  expect(toBusEvent({ ...EVENT, ...from, id: "1", version: "0", resources: [], time })).toEqual({
    ...EVENT,
    ...from,
    time,
  });
});

test.each([
  ["a number", 1, "(whole)"],
  ["a list", [EVENT], "(whole)"],
  ["no source", { "detail-type": "TenantSignedUp", detail: {} }, "source"],
  ["no detail-type", { source: "a", detail: {} }, "detail-type"],
  ["a time that is a number", { ...EVENT, time: 1 }, "time"],
])("%s is no event", (_, value, field) => {
  expect(() => toBusEvent(value)).toThrow(
    expect.objectContaining({ code: "event_invalid", details: expect.objectContaining({ field }) }),
  );
});

test("a directory is read with everything below it, sorted, without the schemas", async () => {
  await mkdir(join(directory, "b"));
  for (const name of ["z.json", "b/2.jsonl", "a.json", "b/v1.schema.json", "notes.txt"]) {
    await writeFile(join(directory, name), `${text}\n`);
  }
  const found = (await read(directory)).map(({ origin }) => origin.slice(directory.length + 1));
  expect(found).toEqual(["a.json", "b/2.jsonl", "z.json"]);
});

test("a bad file in a directory doesn't take the good ones with it", async () => {
  await writeFile(join(directory, "a.json"), "{");
  await writeFile(join(directory, "b.json"), text);
  expect((await read(directory)).map(({ kind }) => kind)).toEqual(["unreadable", "event"]);
});

test("an empty directory and a missing file are said to be so", async () => {
  await expect(read(directory)).rejects.toMatchObject({
    code: "input_unreadable",
    message: expect.stringContaining("holds no *.json"),
  });
  const missing = join(directory, "missing.json");
  await expect(read(missing)).rejects.toMatchObject({
    code: "input_unreadable",
    message: expect.stringContaining("ENOENT"),
  });
});

test("- is standard input", async () => {
  expect(origins(await read("-", text))).toEqual(["event standard input"]);
});
