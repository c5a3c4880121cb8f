import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseStage, parseTenantEvent, type TenantEventOf } from "@tenantkeys/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeSamples, readSamples, type Sample, wantedKeys } from "./sample-events.ts";

const EVENTS_DIR = join(import.meta.dirname, "../../../../events");

const bodyOf = ({ event }: Sample) => JSON.stringify({ id: "event-1", time: "2026-11-01T09:00:00Z", ...event });
const STAGE = { stage: parseStage("dev"), profiles: { default: {} }, eventMappings: [] };
const parseSignUp = (sample: Sample) => parseTenantEvent(bodyOf(sample), STAGE) as TenantEventOf<"TenantSignedUp">;

describe("the samples of events/", () => {
  let samples: readonly Sample[];
  beforeAll(async () => {
    samples = await readSamples(EVENTS_DIR);
  });

  test("are 25, of both toolkits, refused ones among them", () => {
    expect(samples).toHaveLength(25);
    expect(samples.filter(({ name }) => name.startsWith("sbt-onboarding-request/"))).toHaveLength(2);
    expect(samples.filter(({ refusedWith }) => refusedWith !== undefined).length).toBeGreaterThanOrEqual(6);
  });

  test("want a tenant's key no two of them share, so that each can be followed", () => {
    const keys = samples.filter(({ refusedWith }) => refusedWith === undefined).flatMap(wantedKeys);
    expect(new Set(keys.map(({ tenantId, keyName }) => `${tenantId}/${keyName}`)).size).toBe(keys.length);
  });

  test("that are accepted want the keys that the worker makes of them", () => {
    for (const sample of samples.filter(({ refusedWith }) => refusedWith === undefined)) {
      const { tenantId, keyNames } = parseSignUp(sample);
      expect(wantedKeys(sample), sample.name).toEqual(keyNames.map((keyName) => ({ tenantId, keyName })));
    }
  });
});

describe("a folder of samples", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tenantkeys-samples-"));
    const accepted = { source: "s", "detail-type": "TenantSignedUp", detail: { tenantId: "acme" } };
    const refused = { expected: { code: "event_invalid" }, event: { source: "s", "detail-type": "t", detail: 7 } };
    const files = {
      "TenantSignedUp/accepted/b.json": accepted,
      "TenantSignedUp/accepted/a.json": accepted,
      "TenantSignedUp/accepted/notes.md": "not a sample",
      "TenantSignedUp/refused/bad.json": refused,
    };
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), JSON.stringify(content));
    }
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("is read in the order of its names: JSON only, with the code that each refused one must get", async () => {
    const samples = await readSamples(folder);
    expect(samples.map(({ name, refusedWith }) => [name, refusedWith])).toEqual([
      ["TenantSignedUp/accepted/a", undefined],
      ["TenantSignedUp/accepted/b", undefined],
      ["TenantSignedUp/refused/bad", "event_invalid"],
    ]);
    expect(samples[2]?.event.detail).toBe(7);
  });
});

describe("made sign-ups", () => {
  test("are as many as asked for, accepted, each of a tenant and a moment of its own", () => {
    const samples = makeSamples(500, 1_767_225_600_000);
    const signUps = samples.map((sample) => parseSignUp(sample));
    expect(new Set(signUps.map(({ tenantId }) => tenantId)).size).toBe(500);
    expect(signUps.map(({ generation }) => generation)).toEqual(samples.map((_, index) => 1_767_225_600_000 + index));
    expect(samples.every(({ refusedWith }) => refusedWith === undefined)).toBe(true);
    expect(samples.map(wantedKeys)[499]).toEqual([{ tenantId: "tenant-00500", keyName: "default" }]);
  });

  test("are the same when they are made again from the same moment", () => {
    expect(makeSamples(3, 5)).toEqual(makeSamples(3, 5));
  });
});
