/** Each command on the deployed stage, by people who have the operator's policy and nothing else. */
import type { Credentials } from "@tenantkeys/aws";
import { stageNames } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { operatorCredentials, tenantkeys } from "../support/command-line.ts";
import { messagesIn, until } from "../support/events.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let ann: Credentials;
let bob: Credentials;

beforeAll(async () => {
  const atOnce = { watchPeriodDays: 0, approvalRequired: true };
  stage = await sharedStage({ settings: { profiles: { default: atOnce } } });
  [ann, bob] = await Promise.all([operatorCredentials(stage, "ann"), operatorCredentials(stage, "bob")]);
});

/** The answer of a command that waited, and what each key of the tenant was then. */
async function run(who: Credentials, ...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await tenantkeys(stage, who, [...args, "--json"]);
  const answer = stdout === "" ? {} : JSON.parse(stdout);
  const keys = (answer.keys ?? []).map((key: { keyName: string; state: string; waitingFor?: string }) =>
    [key.keyName, key.state, key.waitingFor].filter(Boolean).join(" "),
  );
  return { exitCode, end: answer.end, keys, answer, stderr };
}

describe("a tenant's life, command by command", () => {
  it("goes from sign-up to suspension and back", async () => {
    expect(await run(ann, "signup", "acme", "--wait")).toMatchObject({ exitCode: 0, keys: ["default active"] });
    const added = await run(ann, "add-key", "acme", "payroll", "--wait");
    expect(added).toMatchObject({ exitCode: 0, keys: ["default active", "payroll active"] });
    const suspended = await run(ann, "suspend", "acme", "--yes", "--wait");
    expect(suspended).toMatchObject({ end: "done", keys: ["default suspended", "payroll suspended"] });
    const resumed = await run(ann, "resume", "acme", "--wait");
    expect(resumed).toMatchObject({ end: "done", keys: ["default active", "payroll active"] });
  });

  it("waits, on the way out, for another person than the one who asked", async () => {
    const out = await run(ann, "offboard", "acme", "--yes", "--reason", "contract ended", "--wait");
    const waiting = ["default offboarding approval", "payroll offboarding approval"];
    expect(out).toMatchObject({ end: "done", keys: waiting });
    const own = await run(ann, "approve", "acme", "--yes", "--wait");
    expect(own).toMatchObject({ exitCode: 2, end: "refused", keys: waiting });
    expect(own.answer.refused.code).toBe("approval_refused");
    const other = await run(bob, "approve", "acme", "--yes", "--wait");
    const dying = ["default pending-deletion deletion-window", "payroll pending-deletion deletion-window"];
    expect(other).toMatchObject({ end: "done", keys: dying });
    const { answer } = await run(bob, "show", "acme");
    expect(answer.tenant.leaving.by).toMatch(/^AROA.*:/);
    expect(answer.tenant.approvals[0].by).not.toBe(answer.tenant.leaving.by);
  });

  it("is held and comes back", async () => {
    const held = await run(bob, "hold", "acme", "--reason", "case 4711", "--wait");
    const waiting = ["default offboarding legal-hold", "payroll offboarding legal-hold"];
    expect(held).toMatchObject({ end: "done", keys: waiting });
    const dying = ["default pending-deletion deletion-window", "payroll pending-deletion deletion-window"];
    expect(await run(bob, "hold", "acme", "--release", "--yes", "--wait")).toMatchObject({ end: "done", keys: dying });
    const back = await run(ann, "reinstate", "acme", "--wait");
    expect(back).toMatchObject({ end: "done", keys: ["default active", "payroll active"] });
  });

  it("leaves nothing to plan, and a review changes nothing", async () => {
    const { answer } = await run(ann, "review", "--all");
    expect(answer.counts).toEqual({ sent: 2, skipped: 0, failed: 0 });
    expect(await run(ann, "plan", "acme")).toMatchObject({ exitCode: 0 });
  });
});

describe("a replay of the archive", () => {
  it("brings every event of its time to the worker again, and changes nothing", async () => {
    const before = await run(ann, "show", "acme");
    const window = ["--from", "2020-01-01T00:00:00Z", "--to", new Date(Date.now() + 60_000).toISOString()];
    const dry = await run(ann, "replay", "--archive", ...window, "--allow-recent", "--dry-run");
    expect(dry.answer.archived.events).toBeGreaterThanOrEqual(5);
    const replayed = await run(ann, "replay", "--archive", ...window, "--allow-recent");
    expect(replayed).toMatchObject({ exitCode: 0, answer: { state: "COMPLETED" } });
    const { queue } = stageNames(stage.settings.stage);
    await until("the worker to be done", async () => (await messagesIn(stage, queue)) === 0);
    const { answer, keys } = await run(ann, "show", "acme");
    expect(keys).toEqual(before.keys);
    expect(answer.tenant.leaving).toEqual(before.answer.tenant.leaving);
    expect(answer.keys.map((key: { keyArn: string }) => key.keyArn)).toEqual(
      before.answer.keys.map((key: { keyArn: string }) => key.keyArn),
    );
  });
});
