import { type Finding, finding, findingId, parseKeyName, type StoredFinding } from "@tenantkeys/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ACME, CONTEXT, CREDENTIALS, FakeClock, KEY_ARN, runOn, SETTINGS, START_MS } from "../test-support.ts";
import type { FindingChanges, FindingStore } from "./ports.ts";
import { createSecurityHub, type SecurityHubPorts, tellSecurityHub, withSecurityHub } from "./security-hub.ts";
import { type StubAnswer, type StubRequest, type StubServer, startStubServer } from "./stub-server.test-support.ts";

interface Import {
  readonly Findings: readonly { readonly Id: string; readonly RecordState: string }[];
}

let server: StubServer;
let answer: (request: StubRequest) => StubAnswer;
let ports: SecurityHubPorts;

/** The SDK's own client against a server on this machine: no local AWS has Security Hub. */
beforeEach(async () => {
  answer = () => ({});
  server = await startStubServer((request) => answer(request));
  const options = { region: "eu-west-1", endpoint: server.endpoint, credentials: CREDENTIALS };
  ports = { securityHub: createSecurityHub(options, { securityHub: true }), context: CONTEXT, settings: SETTINGS };
});

afterEach(async () => {
  ports.securityHub?.destroy();
  await server.stop();
});

const HOUR_MS = 60 * 60 * 1000;

function stored(name: string, changes: Partial<StoredFinding> = {}): StoredFinding {
  const about = { tenantId: ACME, keyName: parseKeyName(name), resource: KEY_ARN, expected: "on", seen: "off" };
  const found: Finding = finding("rotation-off", about);
  return { ...found, findingId: findingId(found), firstSeenAtMs: START_MS, lastSeenAtMs: START_MS, ...changes };
}

function changes(some: Partial<FindingChanges>): FindingChanges {
  return { opened: [], stillOpen: [], closed: [], ...some };
}

const sentIds = () => server.requests.map(({ body }) => (body as Import).Findings.map(({ Id }) => Id.split("/")[4]));
const run = () => runOn(new FakeClock());

test("what was opened and closed is sent in one call, in the finding format", async () => {
  const told = changes({ opened: [stored("a")], closed: [stored("b", { closedAtMs: START_MS + 1 })] });
  expect(await tellSecurityHub(ports, run(), told)).toEqual({ sent: 2, failed: 0, error: undefined });
  const [request] = server.requests;
  expect(request?.path).toBe("/findings/import");
  const Findings = (request?.body as Import | undefined)?.Findings ?? [];
  expect(Findings.map(({ Id, RecordState }) => [Id, RecordState])).toEqual([
    [`tenantkeys/dev/rotation-off/acme/a/${KEY_ARN}`, "ACTIVE"],
    [`tenantkeys/dev/rotation-off/acme/b/${KEY_ARN}`, "ARCHIVED"],
  ]);
  expect(Findings[0]).toMatchObject({ SchemaVersion: "2018-10-08", AwsAccountId: "111122223333" });
});

test("a call holds 100 findings at most", async () => {
  const opened = Array.from({ length: 201 }, (_, index) => stored(`k${index}`));
  expect(await tellSecurityHub(ports, run(), changes({ opened }))).toMatchObject({ sent: 201, failed: 0 });
  expect(sentIds().map((ids) => ids.length)).toEqual([100, 100, 1]);
});

test("a finding that stays open is told again by the next sweep and by one of every week", async () => {
  const hours = (age: number) => stored(`${age}`, { firstSeenAtMs: START_MS - age * HOUR_MS });
  const stillOpen = [1, 2, 24, 167, 169, 170].map(hours);
  await tellSecurityHub(ports, run(), changes({ stillOpen }));
  expect(sentIds()).toEqual([["1", "169"]]);
});

test("nothing to tell is no call", async () => {
  expect(await tellSecurityHub(ports, run(), changes({}))).toEqual({ sent: 0, failed: 0, error: undefined });
  expect(server.requests).toEqual([]);
});

test("a finding that Security Hub didn't take is sent again, the others aren't", async () => {
  answer = ({ body }) => {
    const last = (body as Import).Findings.at(-1);
    if (server.requests.length > 1) return { body: { FailedCount: 0, SuccessCount: 1 } };
    const failed = { Id: last?.Id, ErrorCode: "ConcurrentUpdateError", ErrorMessage: "try again" };
    return { body: { FailedCount: 1, SuccessCount: 1, FailedFindings: [failed] } };
  };
  const clock = new FakeClock();
  const told = changes({ opened: [stored("a"), stored("b")] });
  expect(await tellSecurityHub(ports, runOn(clock), told)).toEqual({ sent: 2, failed: 0, error: undefined });
  expect(sentIds()).toEqual([["a", "b"], ["b"]]);
  expect(clock.sleptMs).toEqual([200]);
});

test("a finding is sent three times at most, then reported", async () => {
  answer = ({ body }) => {
    const FailedFindings = (body as Import).Findings.map(({ Id }) => ({ Id, ErrorCode: "Busy", ErrorMessage: "no" }));
    return { body: { FailedCount: FailedFindings.length, SuccessCount: 0, FailedFindings } };
  };
  const outcome = await tellSecurityHub(ports, run(), changes({ opened: [stored("a"), stored("b")] }));
  expect(outcome).toMatchObject({ sent: 0, failed: 2, error: { code: "aws_unexpected" } });
  expect(outcome.error?.message).toContain("Busy: no (and 1 more)");
  expect(server.requests).toHaveLength(3);
});

test("a finding that Security Hub finds fault with is not sent again", async () => {
  answer = ({ body }) => {
    const [first] = (body as Import).Findings;
    const failed = { Id: first?.Id, ErrorCode: "InvalidInput", ErrorMessage: "Title" };
    return { body: { FailedCount: 1, SuccessCount: 1, FailedFindings: [failed] } };
  };
  const outcome = await tellSecurityHub(ports, run(), changes({ opened: [stored("a"), stored("b")] }));
  expect(outcome).toMatchObject({ sent: 1, failed: 1 });
  expect(server.requests).toHaveLength(1);
});

test.each([
  ["isn't enabled in the account", "InvalidAccessException", 401, "access_denied"],
  ["refuses the caller", "AccessDeniedException", 403, "access_denied"],
  ["finds the whole call wrong", "InvalidInputException", 400, "aws_unexpected"],
])("a Security Hub that %s is reported and not thrown", async (_, error, status, code) => {
  answer = () => ({ error, status, body: { Message: "not subscribed" } });
  const opened = Array.from({ length: 150 }, (_unused, index) => stored(`k${index}`));
  const outcome = await tellSecurityHub(ports, run(), changes({ opened }));
  expect(outcome).toMatchObject({ sent: 0, failed: 150, error: { code } });
  expect(server.requests).toHaveLength(1);
});

test("no call starts after the deadline", async () => {
  const clock = new FakeClock();
  const outcome = await tellSecurityHub(ports, runOn(clock, 0), changes({ opened: [stored("a")] }));
  expect(outcome).toMatchObject({ sent: 0, failed: 1, error: { code: "deadline_near" } });
  expect(server.requests).toEqual([]);
});

test("a stage that doesn't switch it on has no client, and its store stays as it is", async () => {
  const off = {
    securityHub: createSecurityHub({ region: "eu-west-1" }, { securityHub: false }),
    context: CONTEXT,
    settings: SETTINGS,
  };
  expect(off.securityHub).toBeUndefined();
  expect(await tellSecurityHub(off, run(), changes({ opened: [stored("a")] }))).toEqual({ sent: 0, failed: 0 });
  const store = {} as FindingStore;
  expect(withSecurityHub(store, off, () => {})).toBe(store);
});

test("a store of findings tells Security Hub after it kept them, and reports what couldn't be told", async () => {
  const kept: string[] = [];
  const store = {
    record: async () => {
      kept.push(`kept before ${server.requests.length} calls`);
      return changes({ opened: [stored("a")] });
    },
  } as unknown as FindingStore;
  const reports: unknown[] = [];
  const telling = withSecurityHub(store, ports, (outcome) => reports.push(outcome));
  const scope = { tenantId: ACME, keyName: undefined, unjudged: [] };
  expect((await telling.record(run(), scope, [])).opened).toHaveLength(1);
  expect(reports).toEqual([]);
  answer = () => ({ error: "AccessDeniedException", status: 403 });
  expect((await telling.record(run(), scope, [])).opened).toHaveLength(1);
  expect(reports).toMatchObject([{ sent: 0, failed: 1, error: { code: "access_denied" } }]);
  expect(kept).toEqual(["kept before 0 calls", "kept before 1 calls"]);
});
