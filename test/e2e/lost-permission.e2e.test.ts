/** One permission taken from the worker's role: nothing is lost, the denied action is named, and a replay finishes it. */
import { GetRolePolicyCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import type { Credentials } from "@tenantkeys/aws";
import { stageNames } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { encryptAsTenant, readTenantKey } from "../support/aws-state.ts";
import { operatorCredentials, tenantkeys } from "../support/command-line.ts";
import {
  deliver,
  messagesIn,
  type ReplyTap,
  readRecord,
  signUpEnvelope,
  tapReplies,
  until,
  untilActive,
} from "../support/events.ts";
import { sharedStage } from "../support/shared-stage.ts";

const TENANTS = ["lost-a", "lost-b", "lost-c"];

let stage: LocalStage;
let replies: ReplyTap;
let operator: Credentials;

beforeAll(async () => {
  stage = await sharedStage({ settings: { receivesMax: 2, retryDelaySeconds: 1 } });
  replies = await tapReplies(stage);
  operator = await operatorCredentials(stage);
});

const policyOf = () => ({ RoleName: stageNames(stage.settings.stage).provisionerRole, PolicyName: "provisioner" });

async function withoutStatement(sid: string): Promise<() => Promise<void>> {
  const { PolicyDocument } = await stage.iam.send(new GetRolePolicyCommand(policyOf()));
  const whole = decodeURIComponent(PolicyDocument ?? "");
  const document = JSON.parse(whole);
  const Statement = document.Statement.filter((statement: { Sid: string }) => statement.Sid !== sid);
  expect(Statement).toHaveLength(document.Statement.length - 1);
  const put = (text: string) => stage.iam.send(new PutRolePolicyCommand({ ...policyOf(), PolicyDocument: text }));
  await put(JSON.stringify({ ...document, Statement }));
  return async () => {
    await put(whole);
  };
}

describe("a worker that lost its permission to make aliases", () => {
  let giveBack: () => Promise<void>;
  const { queueDeadLetter } = stageNames("local" as never);

  it("leaves each message in the dead-letter queue after its last receive", async () => {
    giveBack = await withoutStatement("NameKeys");

    await Promise.all(TENANTS.map((tenantId) => deliver(stage, signUpEnvelope(tenantId))));

    await until("three dead letters", async () => (await messagesIn(stage, queueDeadLetter)) === TENANTS.length);
  });

  it("names the denied action, the step and the next action in each failure event", async () => {
    const open = new Set(TENANTS);
    while (open.size > 0) {
      const failure = await replies.next(`failures of ${[...open].join(", ")}`, ({ detail }) =>
        open.has(String(detail.tenantId)),
      );
      open.delete(String(failure.detail.tenantId));
      expect(failure).toMatchObject({
        detailType: "TenantKeyProvisioningFailed",
        detail: { code: "access_denied", step: "kms:CreateAlias", keptIn: "dead-letter queue" },
      });
      expect(failure.detail.message).toContain("not authorized to perform: kms:CreateAlias");
      expect(failure.detail.nextAction).toContain("tenantkeys replay --dlq");
    }
  });

  it("keeps the reason in the record", async () => {
    const record = await readRecord(stage, "lost-a");

    expect(record).toMatchObject({
      state: "failed",
      leaseUntilMs: 0,
      failure: { code: "access_denied", step: "kms:CreateAlias" },
    });
  });

  it("shows in a dry run what a replay would do, and does none of it", async () => {
    const { exitCode, stdout } = await tenantkeys(stage, operator, ["replay", "--dlq", "--dry-run", "--json"]);

    expect(exitCode).toBe(0);
    for (const tenantId of TENANTS) expect(stdout).toContain(tenantId);
    expect(await messagesIn(stage, queueDeadLetter)).toBe(TENANTS.length);
  });

  it("replays one tenant alone when asked to", async () => {
    await giveBack();

    const { exitCode, stderr } = await tenantkeys(stage, operator, ["replay", "--dlq", "--tenant", "lost-b"]);

    expect(exitCode, stderr).toBe(0);
    await untilActive(stage, "lost-b");
    expect(await messagesIn(stage, queueDeadLetter)).toBe(TENANTS.length - 1);
  });

  it("makes every tenant active with its one key once the permission is back and all are replayed", async () => {
    const { exitCode, stderr } = await tenantkeys(stage, operator, ["replay", "--dlq"]);

    expect(exitCode, stderr).toBe(0);
    for (const tenantId of TENANTS) {
      const record = await untilActive(stage, tenantId);
      const { keys, aliasKeyArn } = await readTenantKey(stage, tenantId);
      expect(keys.map((key) => key.keyArn)).toEqual([record.keyArn]);
      expect(aliasKeyArn).toBe(record.keyArn);
      await encryptAsTenant(stage, tenantId);
    }
    expect(await messagesIn(stage, queueDeadLetter)).toBe(0);
  });
});
