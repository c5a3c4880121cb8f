/** A sweep on the real stacks that is killed half way, at any point, and two that begin in the same moment. */
import { DisableKeyCommand } from "@aws-sdk/client-kms";
import { LambdaClient, ListEventSourceMappingsCommand, UpdateEventSourceMappingCommand } from "@aws-sdk/client-lambda";
import { clientConfig } from "@tenantkeys/aws";
import { type StoredFinding, type Sweep, stageNames } from "@tenantkeys/core";
import { type LocalStage, readCalls, resetCalls } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runApart } from "../support/apart.ts";
import { signUpAll } from "../support/drifts/index.ts";
import { readRecord, until } from "../support/events.ts";
import { sharedStage } from "../support/shared-stage.ts";
import {
  currentSweep,
  letSweepBeDue,
  openFindings,
  sweepFromSchedule,
  turnOfSchedule,
  untilSwept,
  wrongByTenant,
} from "../support/sweeps.ts";

const TENANTS = Array.from({ length: 24 }, (_, index) => `swept-${index}`);
const DRIFTED = "swept-7";

let stage: LocalStage;
let lambda: LambdaClient;

beforeAll(async () => {
  stage = await sharedStage();
  lambda = new LambdaClient(clientConfig({ ...stage.at, credentials: stage.emulator.credentials }));
  await signUpAll(stage, TENANTS);
  const { keyArn } = (await readRecord(stage, DRIFTED)) ?? {};
  await stage.root.kms.send(new DisableKeyCommand({ KeyId: keyArn }));
}, 120_000);

afterAll(() => lambda?.destroy());

/** @param dieAt before which of its calls to AWS the process is killed; 0: it isn't */
const verifyAndDie = (role: "sweeperRole" | "verifierRole", dieAt: number, message?: object) =>
  runApart(stage, "verify-and-die.ts", role, { dieAt, body: message && JSON.stringify(message) });

async function expectWhole(sweep: Sweep): Promise<void> {
  const counts = { tenants: TENANTS.length, tenantsVerified: TENANTS.length, tenantKeysVerified: TENANTS.length };
  expect(sweep).toMatchObject({ ...counts, shardsLost: 0, readsDenied: 0, pagesCut: 0 });
  expect(sweep.shardsDone).toBe(sweep.shards);
  expect(await wrongByTenant(stage)).toEqual({ [DRIFTED]: ["key-disabled"] });
}

it("goes on where its lister was killed, wherever that was, and ends complete", async () => {
  const calls = Number((await verifyAndDie("sweeperRole", 0)).stdout);
  await expectWhole(await untilSwept(stage));
  // After the first write, half way through the lists, and with everything listed but not all of it sent.
  for (const dieAt of [3, Math.ceil(calls / 2), calls - 1]) {
    const before = (await letSweepBeDue(stage))?.sweepId;
    expect((await verifyAndDie("sweeperRole", dieAt)).signal).toBe("SIGKILL");
    const half = await currentSweep(stage);
    expect([half?.phase === "closed", half?.sweepId === before]).toEqual([false, false]);

    await turnOfSchedule(stage);
    const whole = await untilSwept(stage, before);
    expect(whole.sweepId).toBe(half?.sweepId);
    await expectWhole(whole);
  }
});

/** Whether the deployed verify function takes messages. */
async function letVerifyFunctionWork(Enabled: boolean): Promise<void> {
  const FunctionName = stageNames(stage.settings.stage).verifyFunction;
  const { EventSourceMappings = [] } = await lambda.send(new ListEventSourceMappingsCommand({ FunctionName }));
  for (const { UUID } of EventSourceMappings) await lambda.send(new UpdateEventSourceMappingCommand({ UUID, Enabled }));
}

it("goes on with a shard whose worker was killed, and opens no finding twice", async () => {
  const before = (await letSweepBeDue(stage))?.sweepId;
  const known = await openFindings(stage);
  await letVerifyFunctionWork(false);
  await turnOfSchedule(stage);
  const sweep = await until("everything to be listed", async () => {
    const current = await currentSweep(stage);
    return current?.sweepId !== before && current?.sentAtMs !== undefined && current;
  });
  const shard = { version: "1", kind: "shard", sweepId: sweep.sweepId, shard: 0 };
  expect((await verifyAndDie("verifierRole", 60, shard)).signal).toBe("SIGKILL");
  expect(await currentSweep(stage)).toMatchObject({ phase: "checking", shardsDone: 0 });

  await letVerifyFunctionWork(true);
  await expectWhole(await untilSwept(stage, before));
  const since = ({ findingId, firstSeenAtMs }: StoredFinding) => [findingId, firstSeenAtMs];
  expect((await openFindings(stage)).map(since)).toEqual(known.map(since));
});

it("does its work once when turns come in the same moment", async () => {
  await sweepFromSchedule(stage);
  const before = await letSweepBeDue(stage);
  await resetCalls(stage.at.endpoint);
  const { stdout } = await runApart(stage, "turns-at-once.ts", "sweeperRole", { turns: 3 });
  const another = "nothing: another was first";
  expect(JSON.parse(stdout).toSorted()).toEqual(["listed", another, another]);

  const sweep = await untilSwept(stage, before?.sweepId);
  await expectWhole(sweep);
  expect(sweep.number).toBe((before?.number ?? 0) + 1);
  const calls = await readCalls(stage.at.endpoint);
  const count = (action: string) =>
    calls.filter((call) => call.action === action).reduce((sum, call) => sum + call.count, 0);
  expect(count("iam:GetAccountAuthorizationDetails")).toBe(1);
  // Once each, that of the key that drifted as well: only what the lists make doubtful is read again.
  expect(count("kms:GetKeyPolicy")).toBe(TENANTS.length);
});
