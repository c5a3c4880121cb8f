import { parseKeyArn } from "@tenantkeys/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AroundCall, InMemoryAws, portsOn } from "../in-memory-aws.test-support.ts";
import { provisionTenantKey } from "../provision-tenant-key.ts";
import { ACME, awsError, CREDENTIALS, DEFAULT_KEY, DESIRED, FakeClock, runOn } from "../test-support.ts";
import { createAccessAnalyzer } from "./access-analyzer.ts";
import type { VerifyPorts } from "./ports.ts";
import { type StubAnswer, type StubServer, startStubServer } from "./stub-server.test-support.ts";
import { verifyTenantKeyNow } from "./verify-tenant-key.ts";
import { type Verifying, verifyingOn } from "./verifying.test-support.ts";

const PASS: StubAnswer = { body: { result: "PASS" } };
const DENIED: StubAnswer = { error: "AccessDeniedException", status: 403, body: { message: "no" } };

let server: StubServer;
let answer: StubAnswer;
let accessAnalyzer: NonNullable<VerifyPorts["accessAnalyzer"]>;
let clock: FakeClock;
let aws: InMemoryAws;
let verifying: Verifying;

/** A tenant key that is as it should be, and an Access Analyzer on this machine. */
beforeEach(async () => {
  answer = PASS;
  server = await startStubServer(() => answer);
  const options = { region: "eu-west-1", endpoint: server.endpoint, credentials: CREDENTIALS };
  const client = createAccessAnalyzer(options, { accessAnalyzer: true });
  if (client === undefined) throw new Error("no client");
  accessAnalyzer = client;
  clock = new FakeClock();
  aws = new InMemoryAws(clock);
  verifying = verifyingOn(aws);
  const declaration = { tenantId: ACME, keyName: DEFAULT_KEY, generation: 1, profile: "default", eventId: "event-1" };
  await provisionTenantKey(portsOn(aws), runOn(clock), declaration);
});

afterEach(async () => {
  accessAnalyzer.destroy();
  await server.stop();
});

async function verify(changes: Partial<VerifyPorts> = {}) {
  const ports = { ...verifying, accessAnalyzer, ...changes };
  const { verdict } = await verifyTenantKeyNow(ports, runOn(clock), ACME, DEFAULT_KEY, {
    grants: true,
    rotations: true,
  });
  return verdict;
}

const openRules = () => [...verifying.findings.open.values()].map(({ ruleId }) => ruleId);
const keyArn = () => parseKeyArn(aws.keys[0]?.arn ?? "");

/** Another policy that says the same to us. */
function changePolicy(id: string): void {
  for (const key of aws.keys) key.policy = JSON.stringify({ ...DESIRED.admittedPolicy, Id: id });
}

test("a key's policy is asked about with two calls in all, however often the key is verified", async () => {
  for (let check = 0; check < 3; check++) expect((await verify()).findings).toEqual([]);
  expect(server.requests).toHaveLength(2);
  expect(server.requests[0]?.body).toMatchObject({ resourceType: "AWS::KMS::Key" });
});

test("a policy that changed is asked about anew", async () => {
  await verify();
  changePolicy("changed");
  await verify();
  expect(server.requests).toHaveLength(4);
  expect(server.requests[2]?.body).toMatchObject({ policyDocument: expect.stringContaining("changed") });
});

test("what it objects to is a finding of the key, kept without asking again, and closed when it passes", async () => {
  answer = { body: { result: "FAIL", message: "open to all" } };
  expect((await verify()).findings).toMatchObject([{ ruleId: "public-access", resource: keyArn() }]);
  expect((await verify()).findings).toMatchObject([{ ruleId: "public-access" }]);
  expect(server.requests).toHaveLength(2);
  answer = PASS;
  changePolicy("mended");
  await verify();
  expect(openRules()).not.toContain("public-access");
});

test("a denial is said, leaves open what was found, and is asked again", async () => {
  answer = { body: { result: "FAIL", message: "open to all" } };
  await verify();
  answer = DENIED;
  changePolicy("changed");
  const { findings, unjudged } = await verify();
  expect(findings.filter(({ ruleId }) => ruleId === "could-not-verify")).toHaveLength(1);
  expect(unjudged).toContain("public-access");
  expect(openRules()).toContain("public-access");
  answer = PASS;
  await verify();
  expect(openRules()).not.toContain("public-access");
  expect(openRules()).not.toContain("could-not-verify");
});

test("where the stage stops asking, what it objected to is closed", async () => {
  answer = { body: { result: "FAIL", message: "open to all" } };
  await verify();
  await verify({ accessAnalyzer: undefined });
  expect(openRules()).toEqual([]);
});

test("a policy that can't be read isn't asked about, and closes nothing", async () => {
  answer = { body: { result: "FAIL", message: "open to all" } };
  await verify();
  const denying: AroundCall = async (name, _signal, effect) => {
    if (name === "GetKeyPolicy") throw awsError("AccessDeniedException", 400);
    return effect();
  };
  const { observing } = verifyingOn(aws, denying);
  expect((await verify({ observing })).unjudged).toContain("public-access");
  expect(server.requests).toHaveLength(2);
  expect(openRules()).toContain("public-access");
});

test("a key that a worker has in hand isn't asked about", async () => {
  const [record] = await verifying.registry.keysOfTenant(runOn(clock), ACME);
  if (record === undefined) throw new Error("no record");
  await verifying.registry.replace(runOn(clock), { ...record, leaseUntilMs: clock.nowMs() + 600_000 }, record.fence);
  expect((await verify()).unjudged).toContain("public-access");
  expect(server.requests).toEqual([]);
});
