import { type KeyRecord, parseKeyArn, parseTenantId, proveContainment } from "@tenantkeys/core";
import { beforeEach, describe, expect, test } from "vitest";
import { type AroundCall, InMemoryAws, portsOn } from "../in-memory-aws.test-support.ts";
import { provisionTenantKey } from "../provision-tenant-key.ts";
import { ACME, awsError, CONTEXT, DEFAULT_KEY, FakeClock, runOn } from "../test-support.ts";
import { verifyingOn } from "../verification/verifying.test-support.ts";
import { readForProof } from "./read-proof.ts";

const GLOBEX = parseTenantId("globex");
const OTHER_ARN = parseKeyArn("arn:aws:kms:eu-west-1:444455556666:key/own");

let clock: FakeClock;
let aws: InMemoryAws;

beforeEach(async () => {
  clock = new FakeClock();
  aws = new InMemoryAws(clock);
  const declaration = { tenantId: ACME, keyName: DEFAULT_KEY, generation: 5, profile: "default", eventId: "event-1" };
  await provisionTenantKey(portsOn(aws), runOn(clock), declaration);
  await provisionTenantKey(portsOn(aws), runOn(clock), { ...declaration, tenantId: GLOBEX, eventId: "event-2" });
});

const record = (): KeyRecord => aws.records.get("acme/default") as KeyRecord;
const change = (changes: Partial<KeyRecord>) => aws.records.set("acme/default", { ...record(), ...changes });

async function read(around?: AroundCall, run = runOn(clock)) {
  const ports = verifyingOn(aws, around);
  const said: number[] = [];
  const tenants = await readForProof(ports, run, [...aws.records.values()], (done) => said.push(done));
  const proof = proveContainment(CONTEXT, tenants);
  const acme = proof.keys.filter(({ tenantId }) => tenantId === ACME);
  return { ports, tenants, proof, acme, said };
}

const denying =
  (denied: string): AroundCall =>
  async (name, _signal, effect) => {
    if (name === denied) throw awsError("AccessDeniedException", 400);
    return effect();
  };

describe("what a proof is read from", () => {
  test("is each tenant's role, and of each of its keys policy and grants, in order of tenants", async () => {
    const { ports, tenants, proof, said } = await read();
    expect(tenants.map(({ tenantId, keys }) => [tenantId, keys.length])).toEqual([
      ["acme", 1],
      ["globex", 1],
    ]);
    expect(proof.counts).toMatchObject({ tenants: 2, keys: 2, pairsRefused: 2, ownAllowed: 2, pairsNotProven: 0 });
    expect(said).toEqual([1, 2]);
    for (const operation of ["iam:GetRole", "kms:GetKeyPolicy", "kms:ListGrants"]) {
      expect(ports.turns.filter((turn) => turn === operation)).toHaveLength(2);
    }
  });

  test("is each key that was replaced as well", async () => {
    const [, globex] = aws.keys;
    change({ previousKeyArns: [parseKeyArn(globex?.arn ?? "")] });
    const { acme } = await read();
    // It is globex's, so its policy isn't acme's.
    expect(acme.map(({ part, verdict }) => [part, verdict])).toEqual([
      ["current", "contained"],
      ["replaced", "broken"],
    ]);
  });

  test.each([
    ["GetKeyPolicy", "kms:GetKeyPolicy"],
    ["ListGrants", "kms:ListGrants"],
    ["GetRole", "iam:GetRole"],
  ])("is unproven where AWS refuses %s", async (call, operation) => {
    const { proof } = await read(denying(call));
    expect(new Set(proof.keys.map(({ verdict }) => verdict))).toEqual(new Set(["not-proven"]));
    expect(proof.keys[0]?.unproven).toEqual([expect.stringContaining(operation)]);
    expect(proof.counts).toMatchObject({ pairsRefused: 0, pairsNotProven: 2 });
  });
});

describe("a key", () => {
  test("that a worker has in hand all the time isn't proven", async () => {
    change({ leaseUntilMs: clock.nowMs() + 60_000 });
    const { acme, proof } = await read();
    expect(acme).toMatchObject([{ verdict: "not-proven", unproven: ["a worker has it in hand"] }]);
    expect(proof.counts).toMatchObject({ pairsRefused: 1, pairsNotProven: 1 });
  });

  test("that a worker changed meanwhile is read again, until it stays as it was", async () => {
    let reads = 0;
    const { acme } = await read(async (name, _signal, effect) => {
      if (name === "GetKeyPolicy" && ++reads === 1) change({ fence: record().fence + 1 });
      return effect();
    });
    expect(acme).toMatchObject([{ verdict: "contained" }]);
    expect(reads).toBe(3);
    let fence = 100;
    const restless = await read(async (name, _signal, effect) => {
      if (name === "GetKeyPolicy") change({ fence: fence++ });
      return effect();
    });
    expect(restless.acme).toMatchObject([{ verdict: "not-proven", unproven: ["a worker has it in hand"] }]);
  });

  test("that is gone by the time it is read again is none", async () => {
    const { acme } = await read(async (name, _signal, effect) => {
      if (name === "GetKeyPolicy") change({ state: "destroyed", fence: record().fence + 1 });
      return effect();
    });
    expect(acme).toEqual([]);
  });

  test("that isn't made yet is none, and its tenant is there as a session", async () => {
    change({ keyArn: undefined, state: "failed" });
    const { acme, proof } = await read();
    expect(acme).toEqual([]);
    expect(proof.counts).toMatchObject({ tenants: 2, keys: 1, pairsRefused: 1 });
  });

  test("of the tenant's own account isn't read: its policy is its owner's", async () => {
    change({ ownKeyArn: OTHER_ARN, keyArn: OTHER_ARN });
    const { acme, ports } = await read();
    expect(acme).toMatchObject([{ keyArn: OTHER_ARN, verdict: "not-proven" }]);
    expect(acme[0]?.unproven).toEqual([expect.stringMatching(/^its owner's policy/)]);
    expect(ports.turns.filter((turn) => turn === "kms:GetKeyPolicy")).toHaveLength(1);
  });

  test("whose profile the stage lacks isn't proven, as nobody can say who may use it", async () => {
    change({ profile: "retired" });
    const { acme } = await read();
    expect(acme).toMatchObject([{ verdict: "not-proven", unproven: [expect.stringContaining('"retired"')] }]);
  });
});

test("what the time doesn't suffice for isn't proven, and the rest is", async () => {
  const ports = verifyingOn(aws);
  const run = runOn(clock);
  const quota: typeof ports.quota = {
    async takeTurn(_run, operation) {
      if (operation === "iam:GetRole") clock.advance(30_000);
      if (clock.nowMs() >= run.deadlineMs) throw awsError("AbortError", 0);
    },
  };
  const tenants = await readForProof({ ...ports, quota }, run, [...aws.records.values()], () => {});
  const proof = proveContainment(CONTEXT, tenants);
  expect(proof.keys.map(({ unproven }) => unproven.at(0))).toContain("the command's time was over");
  expect(proof.counts).toMatchObject({ keys: 2, pairsRefused: 0, pairsNotProven: 2 });
});
