/** The canary on the real stacks: from its schedule to what it tried, and from a policy that was broadened to the page. */
import { UpdateAssumeRolePolicyCommand } from "@aws-sdk/client-iam";
import { GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import {
  type Credentials,
  createCanaryStore,
  createClients,
  destroyClients,
  startRun,
  systemClock,
} from "@tenantkeys/aws";
import {
  attemptOutcome,
  attemptText,
  CANARY_TENANTS,
  type CanaryRun,
  sharedTrustPolicy,
  stageNames,
  tenantRoleArn,
} from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { assumeRole } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { type Alarms, alarmsOf } from "../support/alarms.ts";
import { operatorCredentials, tenantkeys } from "../support/command-line.ts";
import { driftBench, driftedKey, putKeyPolicy } from "../support/drifts/index.ts";
import { publish, signUpEnvelope, until, untilActive } from "../support/events.ts";
import { proverCredentials } from "../support/proofs.ts";
import { functionCredentials } from "../support/provisioner.ts";
import { turnOf } from "../support/schedules.ts";
import { outcome } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";
import { openFindings, sweepFromSchedule, wrongByTenant } from "../support/sweeps.ts";

const { a: A, b: B } = CANARY_TENANTS;

function runsOf(stage: LocalStage, which: "runs" | "breaches" = "runs"): Promise<readonly CanaryRun[]> {
  const store = createCanaryStore(stage.root, stageNames(stage.settings.stage).registryTable);
  return store.list(startRun(systemClock, 10_000, 1_000), which, 100);
}

/** A turn of the deployed schedule, and the run that came of it. */
async function turn(stage: LocalStage): Promise<CanaryRun> {
  const before = (await runsOf(stage)).length;
  await turnOf(stage, stageNames(stage.settings.stage).canarySchedule);
  return until("a run of the canary", async () => {
    const runs = await runsOf(stage);
    return runs.length > before && runs[0];
  });
}

const unexpected = (run: CanaryRun) =>
  run.attempts
    .filter((one) => attemptOutcome(one) !== "as-expected")
    .map((one) => `${attemptText(one)}: ${one.result}`);

const breachesOpen = async (stage: LocalStage) =>
  (await openFindings(stage)).filter(({ ruleId }) => ruleId === "canary-breach");

async function untilTenantsAreReady(stage: LocalStage): Promise<void> {
  expect(await turn(stage)).toMatchObject({ state: "not-ready", waitsFor: `${A} is unknown, ${B} is unknown` });
  await Promise.all([untilActive(stage, A), untilActive(stage, B)]);
}

describe("where each tenant has a role of its own", () => {
  let stage: LocalStage;
  let alarms: Alarms;
  let operator: Credentials;

  beforeAll(async () => {
    stage = await sharedStage({ settings: { canary: true } });
    alarms = await alarmsOf(stage);
    operator = await operatorCredentials(stage);
    await publish(stage, signUpEnvelope("acme"));
  }, 120_000);

  it("has its two tenants signed up by its first turn, and passes everything by its second", async () => {
    await untilTenantsAreReady(stage);
    const run = await turn(stage);
    expect(unexpected(run)).toEqual([]);
    expect(run).toMatchObject({ state: "passed" });
    expect(run.attempts.length).toBeGreaterThan(40);
    expect(await alarms.stateOf("canary-breach")).toBe("OK");
    expect(await alarms.stateOf("canary-failing")).toBe("OK");
    const { exitCode, stdout } = await tenantkeys(stage, operator, ["canary", "--json"]);
    expect({ exitCode, state: JSON.parse(stdout).runs[0].state }).toEqual({ exitCode: 0, state: "passed" });
  });

  it("has tenants of whom verification finds that they are as declared", async () => {
    await sweepFromSchedule(stage);
    expect(await wrongByTenant(stage)).toEqual({});
  });

  it("has tenants of whom the proof says that nobody else gets in, though no application can try as them", async () => {
    const { exitCode, stdout } = await tenantkeys(stage, await proverCredentials(stage), ["prove", "--live"]);
    expect({ exitCode, stdout }).toMatchObject({ exitCode: 0 });
    expect(stdout).toContain("3 tenants with 3 keys: 3 contained, 0 broken, 0 not proven");
  });

  it("pages for a key of its own that lets in the other tenant, and is quiet once that is taken back", async () => {
    const { keyArn, desired } = await driftedKey(stage, await untilActive(stage, B));
    const Principal = { AWS: tenantRoleArn(stage.accountId, stage.context.stage, A) };
    const stranger = { Sid: "Stranger", Effect: "Allow", Principal, Action: "kms:Decrypt", Resource: "*" };
    await putKeyPolicy(driftBench(stage), keyArn, [...desired.admittedPolicy.Statement, stranger]);
    await alarms.drain();

    const breached = await turn(stage);
    expect(unexpected(breached)).toEqual([`kms:Decrypt with b's key by tenant a: worked`]);
    expect(breached.state).toBe("breached");
    expect(await breachesOpen(stage)).toMatchObject([
      { severity: "critical", tenantId: B, keyName: "default", resource: keyArn },
    ]);
    expect(await alarms.stateOf("canary-breach")).toBe("ALARM");
    expect(await alarms.stateOf("page")).toBe("ALARM");
    const { call, message } = await alarms.nextOfEach();
    expect(call).toMatchObject({ criticalFindings: ["canary-breach"] });
    expect(message).toMatchObject({ AlarmName: "tenantkeys-local-page", NewStateValue: "ALARM" });
    expect((await tenantkeys(stage, operator, ["canary"])).exitCode).toBe(2);

    await putKeyPolicy(driftBench(stage), keyArn, desired.admittedPolicy.Statement);
    await alarms.letWindowPass();
    expect(await turn(stage)).toMatchObject({ state: "passed" });
    expect(await breachesOpen(stage)).toEqual([]);
    expect(await alarms.stateOf("canary-breach")).toBe("OK");
    expect((await runsOf(stage, "breaches")).map(({ startedAtMs }) => startedAtMs)).toEqual([breached.startedAtMs]);
  });

  it("is let into no tenant of an application's, and no application into its own", async () => {
    const { roleArn = "" } = await untilActive(stage, "acme");
    const canary = await functionCredentials(stage, stageNames(stage.context.stage).canaryRole);
    const become = async (who: typeof canary, arn: string, tag: string) => outcome(assumeRole(stage.at, who, arn, tag));
    expect(await become(canary, roleArn, "acme")).toBe("AccessDenied");
    expect(await become(canary, tenantRoleArn(stage.accountId, stage.context.stage, A), A)).toBe("worked");
    const application = await stage.application();
    expect(await become(application, tenantRoleArn(stage.accountId, stage.context.stage, A), A)).toBe("AccessDenied");
    expect(await become(application, roleArn, "acme")).toBe("worked");
  });

  it("reads and writes of the registry what is its own and its tenants', and nothing of anybody else", async () => {
    const credentials = await functionCredentials(stage, stageNames(stage.context.stage).canaryRole);
    const clients = createClients({ ...stage.at, credentials });
    const TableName = stageNames(stage.context.stage).registryTable;
    const get = (pk: string) =>
      outcome(clients.documents.send(new GetCommand({ TableName, Key: { pk, sk: "TENANT" } })));
    const put = (pk: string) =>
      outcome(clients.documents.send(new PutCommand({ TableName, Item: { pk, sk: "TRIED" } })));
    expect([await get(`TENANT#${A}`), await get("TENANT#acme")]).toEqual(["worked", "AccessDeniedException"]);
    const puts = [await put("CANARY"), await put(`TENANT#${A}`), await put("TENANT#acme"), await put("FINDINGS#acme")];
    expect(puts).toEqual(["worked", "AccessDeniedException", "AccessDeniedException", "AccessDeniedException"]);
    destroyClients(clients);
  });

  it("signs its tenants up alone", async () => {
    const { exitCode, stdout } = await tenantkeys(stage, operator, ["signup", B, "--wait", "--json"]);
    expect(exitCode).not.toBe(0);
    expect(stdout).toContain("tenant_id_reserved");
  });
});

describe("where tenants share a role", () => {
  let stage: LocalStage;

  beforeAll(async () => {
    stage = await sharedStage({ settings: { canary: true, roleMode: "session-tag" } });
    await untilTenantsAreReady(stage);
  }, 120_000);

  it("passes everything", async () => {
    const run = await turn(stage);
    expect(unexpected(run)).toEqual([]);
    expect(run.state).toBe("passed");
    await sweepFromSchedule(stage);
    expect(await wrongByTenant(stage)).toEqual({});
    const proven = await tenantkeys(stage, await proverCredentials(stage), ["prove", "--live"]);
    expect(proven).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("2 of 2 pairs tried live") });
  });

  it("sees a role that may be taken on as any tenant, and as none", async () => {
    const RoleName = stageNames(stage.context.stage).sharedTenantRole;
    const [ofApplications, ofCanary] = sharedTrustPolicy(stage.context).Statement;
    const { Condition: _, ...unconditional } = ofCanary ?? {};
    const trusting = (Statement: readonly unknown[]) => {
      const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement });
      return stage.iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument }));
    };
    await trusting([ofApplications, unconditional]);
    const breached = await turn(stage);
    expect(breached.state).toBe("breached");
    expect(new Set(unexpected(breached).map((text) => text.split(",")[0]))).toEqual(
      new Set(["sts:AssumeRole of a's role", "sts:AssumeRole of b's role"]),
    );
    expect(await breachesOpen(stage)).toMatchObject([
      { tenantId: A, resource: stage.context.sharedTenantRoleArn },
      { tenantId: B, resource: stage.context.sharedTenantRoleArn },
    ]);
    await trusting([ofApplications, ofCanary]);
    expect((await turn(stage)).state).toBe("passed");
  });
});
