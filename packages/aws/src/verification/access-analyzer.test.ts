import { type PolicyAnswer, ungrantedActions } from "@tenantkeys/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CREDENTIALS, DESIRED, FakeClock, runOn } from "../test-support.ts";
import { type AccessAnalyzerPorts, askAccessAnalyzer, createAccessAnalyzer } from "./access-analyzer.ts";
import { createQuotaShare } from "./quota-share.ts";
import { type StubAnswer, type StubRequest, type StubServer, startStubServer } from "./stub-server.test-support.ts";

const PASS = { body: { result: "PASS", message: "fine" } };
const NO_PUBLIC_ACCESS = "/policy/check-no-public-access";
const NOT_GRANTED = "/policy/check-access-not-granted";

let server: StubServer;
let answer: (request: StubRequest) => StubAnswer;
let ports: AccessAnalyzerPorts & { readonly accessAnalyzer: NonNullable<AccessAnalyzerPorts["accessAnalyzer"]> };

/** The SDK's own client against a server on this machine: no local AWS has Access Analyzer. */
beforeEach(async () => {
  answer = () => PASS;
  server = await startStubServer((request) => answer(request));
  const options = { region: "eu-west-1", endpoint: server.endpoint, credentials: CREDENTIALS };
  const accessAnalyzer = createAccessAnalyzer(options, { accessAnalyzer: true });
  if (accessAnalyzer === undefined) throw new Error("no client");
  ports = { accessAnalyzer, quota: createQuotaShare(0.4, 1) };
});

afterEach(async () => {
  ports.accessAnalyzer.destroy();
  await server.stop();
});

const UNGRANTED = ungrantedActions(DESIRED);
const run = () => runOn(new FakeClock());
const ask = (question: Partial<Parameters<typeof askAccessAnalyzer>[2]> = {}) =>
  askAccessAnalyzer(ports, run(), {
    policy: DESIRED.admittedPolicy,
    ungranted: UNGRANTED,
    previous: undefined,
    ...question,
  });

function opinionOf(given: PolicyAnswer) {
  if (given.kind !== "answered") throw new Error(given.kind);
  return given.opinion;
}

test("it is asked whether the policy is open to the public, and whether it grants what none of ours grants", async () => {
  expect(opinionOf(await ask()).objections).toEqual([]);
  const policyDocument = JSON.stringify(DESIRED.admittedPolicy);
  expect(server.requests).toEqual([
    { path: NO_PUBLIC_ACCESS, body: { policyDocument, resourceType: "AWS::KMS::Key" } },
    { path: NOT_GRANTED, body: { policyDocument, access: [{ actions: UNGRANTED }], policyType: "RESOURCE_POLICY" } },
  ]);
});

test("a policy that was asked about is not asked about again, whether it passed or not", async () => {
  answer = ({ path }) => (path === NOT_GRANTED ? { body: { result: "FAIL", message: "it does" } } : PASS);
  const opinion = opinionOf(await ask());
  expect(opinion.objections).toEqual(["it does"]);
  expect(await ask({ previous: opinion })).toEqual({ kind: "answered", opinion });
  expect(server.requests).toHaveLength(2);
});

test("the order of a policy's parts is no change of it", async () => {
  const opinion = opinionOf(await ask());
  const { Version, Statement } = DESIRED.admittedPolicy;
  await ask({ policy: { Statement: [...Statement].reverse(), Version }, previous: opinion });
  expect(server.requests).toHaveLength(2);
});

test.each([
  ["another policy", { policy: DESIRED.departingPolicy }],
  ["other actions", { ungranted: ["kms:Decrypt"] }],
])("%s is asked about anew", async (_, question) => {
  const opinion = opinionOf(await ask());
  await ask({ ...question, previous: opinion });
  expect(server.requests).toHaveLength(4);
});

test("why a check failed is kept, five reasons at most and none too long", async () => {
  const reasons = Array.from({ length: 4 }, (_, index) => ({ description: `${index}: ${"x".repeat(500)}` }));
  answer = () => ({ body: { result: "FAIL", message: "no", reasons } });
  const { objections } = opinionOf(await ask());
  expect(objections.map((text) => [text.slice(0, 2), text.length])).toEqual([
    ["0:", 200],
    ["1:", 200],
    ["2:", 200],
    ["3:", 200],
    ["0:", 200],
  ]);
});

test.each([
  ["denies", "AccessDeniedException", 403, "denied"],
  ["can't judge the policy", "UnprocessableEntityException", 422, "failed"],
  ["finds the question wrong", "InvalidParameterException", 400, "failed"],
])("an Access Analyzer that %s is reported and not thrown", async (_, error, status, kind) => {
  answer = () => ({ error, status, body: { message: "for a test" } });
  const given = await ask();
  expect(given).toMatchObject({ kind, operation: "access-analyzer:CheckNoPublicAccess" });
  expect(given).toHaveProperty("reason", expect.stringContaining(`${error}: for a test`));
});

test("an answer that is neither PASS nor FAIL passes nothing", async () => {
  answer = () => ({ body: { result: "MAYBE" } });
  expect(await ask()).toMatchObject({ kind: "failed", reason: expect.stringContaining('"MAYBE"') });
});

test("what is over is this run's time, and says nothing about the policy", async () => {
  const question = { policy: {}, ungranted: [], previous: undefined };
  await expect(askAccessAnalyzer(ports, runOn(new FakeClock(), 0), question)).rejects.toMatchObject({
    code: "deadline_near",
  });
  expect(server.requests).toEqual([]);
});

test("a stage that doesn't switch it on has no client and asks nothing", async () => {
  expect(createAccessAnalyzer({ region: "eu-west-1" }, { accessAnalyzer: false })).toBeUndefined();
  const question = { policy: {}, ungranted: [], previous: undefined };
  expect(await askAccessAnalyzer({ ...ports, accessAnalyzer: undefined }, run(), question)).toEqual({ kind: "off" });
});
