import { NodeBranchKeyMaterial } from "@aws-crypto/material-management";
import { parseTenantId } from "@tenantkeys/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { REF } from "../test-support.ts";
import { type BranchKeyCaches, createBranchKeyCaches } from "./branch-key-caches.ts";

const VERSION = "6f9f8f0e-2b2a-4c1d-9c3b-0a1b2c3d4e5f";
const KEY = Buffer.alloc(32, 7);
const ZEROS = Buffer.alloc(32);
const GLOBEX = { ...REF, tenantId: parseTenantId("globex") };

let nowMs: number;
let caches: BranchKeyCaches;
let reads: NodeBranchKeyMaterial[];

beforeEach(() => {
  nowMs = 1_000_000;
  reads = [];
  caches = createBranchKeyCaches({ maxAgeSeconds: 60, tenantKeysMax: 2 }, () => nowMs);
});
afterEach(() => caches.destroy());

async function read(): Promise<NodeBranchKeyMaterial> {
  const material = new NodeBranchKeyMaterial(KEY, "acme/default", VERSION, {});
  reads.push(material);
  return material;
}

const get = (ref = REF) => caches.of(ref).get("branch:ACTIVE", read);
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("a branch key is read once, however many ask at the same time and afterwards", async () => {
  const all = await Promise.all(Array.from({ length: 50 }, () => get()));
  all.push(await get());
  expect(reads).toHaveLength(1);
  expect(all.every((material) => material.branchKey().equals(KEY))).toBe(true);
});

test("what a message works with stays whole when the tenant is forgotten meanwhile: never zeros", async () => {
  const [first, second] = await Promise.all([get(), get()]);
  caches.forget("acme");
  await settled();
  expect([first, second].map((material) => material?.branchKey())).toEqual([KEY, KEY]);
  first?.zeroUnencryptedDataKey();
  expect(second?.branchKey()).toEqual(KEY);
});

test("what was read while the tenant is forgotten is whole as well, and isn't kept", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const pending = caches.of(REF).get("branch:ACTIVE", async () => {
    await promise;
    return read();
  });
  caches.forget("acme");
  resolve();
  expect((await pending).branchKey()).toEqual(KEY);
  await settled();
  await get();
  expect(reads).toHaveLength(2);
  expect(reads[0]?.branchKey()).toEqual(ZEROS);
});

test("what was read is wiped but for the copies", async () => {
  await get();
  await settled();
  expect(reads[0]?.branchKey()).toEqual(ZEROS);
  expect((await get()).branchKey()).toEqual(KEY);
});

test("a branch key that is too old is read again, and so is one from a clock that was set back", async () => {
  await get();
  nowMs += 59_999;
  await get();
  expect(reads).toHaveLength(1);
  nowMs += 1;
  await get();
  expect(reads).toHaveLength(2);
  nowMs -= 1;
  await get();
  expect(reads).toHaveLength(3);
});

test("a failure isn't kept", async () => {
  const failing = async () => Promise.reject(new Error("KMS refused"));
  await expect(caches.of(REF).get("branch:ACTIVE", failing)).rejects.toThrow("KMS refused");
  expect((await get()).branchKey()).toEqual(KEY);
});

test("tenants are apart, and the one that wasn't used for longest makes room", async () => {
  await get();
  await get(GLOBEX);
  caches.forget("globex");
  await get();
  expect(reads).toHaveLength(2);
  await get(GLOBEX);
  await get({ ...REF, tenantId: parseTenantId("third") });
  await get();
  expect(reads).toHaveLength(5);
});

test.each([
  [{ maxAgeSeconds: 0 }, "maxAgeSeconds"],
  [{ maxAgeSeconds: 3_601 }, "maxAgeSeconds"],
  [{ tenantKeysMax: 0 }, "tenantKeysMax"],
])("%j is refused", (limits, field) => {
  expect(() => createBranchKeyCaches(limits, () => 0)).toThrow(expect.objectContaining({ details: { field } }));
});
