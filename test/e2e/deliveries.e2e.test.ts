/** Deliveries at once, late and out of order, through the real queue and function: always one key, one alias, one role. */
import { randomUUID } from "node:crypto";
import { provisionTenantKey } from "@tenantkeys/aws";
import { stageNames } from "@tenantkeys/core";
import { type LocalStage, readCalls, resetCalls } from "@tenantkeys/local";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encryptAsTenant, readTenantKey } from "../support/aws-state.ts";
import {
  deliver,
  messagesIn,
  type ReplyTap,
  readRecord,
  signUpEnvelope,
  tapReplies,
  until,
  untilActive,
  untilSettled,
} from "../support/events.ts";
import { declarationOf, provisionerCredentials, provisionerPorts, testRun } from "../support/provisioner.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let replies: ReplyTap;

beforeAll(async () => {
  stage = await sharedStage();
  replies = await tapReplies(stage);
});

beforeEach(() => resetCalls(stage.emulator.endpoint));

/** Successful calls of the worker, by action. */
async function callsOf(action: string): Promise<number> {
  const calls = await readCalls(stage.emulator.endpoint);
  return calls
    .filter((call) => call.action === action && call.allowed && call.principal.includes("provisioner"))
    .reduce((sum, call) => sum + call.count, 0);
}

async function expectOneOfEach(tenantId: string): Promise<void> {
  const state = await readTenantKey(stage, tenantId);
  expect(state.keys.map((key) => [key.keyArn, key.state])).toEqual([[state.aliasKeyArn, "Enabled"]]);
  expect(state.rolePolicyNames).toEqual(["key-default"]);
  await encryptAsTenant(stage, tenantId);
  expect(await callsOf("kms:CreateKey")).toBe(1);
  // CreateAlias is checked on the alias and on the key.
  expect(await callsOf("kms:CreateAlias")).toBe(2);
  expect(await callsOf("kms:EnableKeyRotation")).toBe(1);
  expect(await callsOf("kms:PutKeyPolicy")).toBe(1);
  expect(await callsOf("iam:PutRolePolicy")).toBe(1);
  expect(await callsOf("iam:CreateRole")).toBe(1);
  const { queueDeadLetter } = stageNames(stage.settings.stage);
  expect(await messagesIn(stage, queueDeadLetter)).toBe(0);
}

describe("deliveries at once", () => {
  it("makes one key of the same event delivered ten times", async () => {
    const envelope = signUpEnvelope("same-event");

    await Promise.all(Array.from({ length: 10 }, () => deliver(stage, envelope)));
    await untilActive(stage, "same-event");
    await untilSettled(stage);

    await expectOneOfEach("same-event");
  });

  it("makes one key of ten different events for one tenant", async () => {
    const generations = Array.from({ length: 10 }, (_, index) => index + 1);

    await Promise.all(generations.map((generation) => deliver(stage, signUpEnvelope("ten-events", { generation }))));
    await untilSettled(stage);

    await expectOneOfEach("ten-events");
    expect(await readRecord(stage, "ten-events")).toMatchObject({ state: "active", generation: 10 });
  });

  it("makes one key in ten processes' worth of workers that share nothing but AWS", async () => {
    const credentials = await provisionerCredentials(stage);
    const declaration = declarationOf("ten-workers");

    const work = () => provisionTenantKey(provisionerPorts({ ...stage, credentials }), testRun(), declaration);
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, work));

    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "lease_taken", retryable: true });
    }
    await expectOneOfEach("ten-workers");
  });
});

describe("deliveries late and out of order", () => {
  it("changes nothing for an event that is older than what is known", async () => {
    await deliver(stage, signUpEnvelope("out-of-order", { generation: 7 }));
    const before = await untilActive(stage, "out-of-order");

    await deliver(stage, signUpEnvelope("out-of-order", { generation: 3 }));
    await untilSettled(stage);

    expect(await readRecord(stage, "out-of-order")).toEqual(before);
  });

  it("answers a repeated event with the same reply id and changes nothing in KMS and IAM", async () => {
    const envelope = signUpEnvelope("repeated");
    await deliver(stage, envelope);
    const first = await replies.next("the first reply", (reply) => reply.detail.tenantId === "repeated");
    const before = await readTenantKey(stage, "repeated");

    await deliver(stage, envelope);
    const second = await replies.next("the second reply", (reply) => reply.detail.tenantId === "repeated");

    expect(second.detail.replyId).toBe(first.detail.replyId);
    expect(await readTenantKey(stage, "repeated")).toEqual(before);
  });

  it("keeps several keys of one tenant apart under one role", async () => {
    const detail = { version: "1", tenantId: "two-keys", keyNames: ["default", "payroll"] };
    await deliver(stage, { ...signUpEnvelope("two-keys"), detail });

    const payroll = await untilActive(stage, "two-keys", "payroll");
    const other = await untilActive(stage, "two-keys");

    expect(payroll.keyArn).not.toBe(other.keyArn);
    expect(payroll.roleArn).toBe(other.roleArn);
    expect((await readTenantKey(stage, "two-keys")).rolePolicyNames?.toSorted()).toEqual([
      "key-default",
      "key-payroll",
    ]);
    await encryptAsTenant(stage, "two-keys", "payroll");
  });

  it("heals what somebody changed by hand when the event comes again", async () => {
    const envelope = signUpEnvelope("healed");
    await deliver(stage, envelope);
    const { keyArn } = await untilActive(stage, "healed");
    const { DeleteAliasCommand, DisableKeyRotationCommand } = await import("@aws-sdk/client-kms");
    await stage.root.kms.send(new DeleteAliasCommand({ AliasName: "alias/tenantkeys/local/healed/default" }));
    await stage.root.kms.send(new DisableKeyRotationCommand({ KeyId: keyArn }));

    await deliver(stage, { ...envelope, id: randomUUID() });

    await until("alias and rotation", async () => {
      const { aliasKeyArn, keys } = await readTenantKey(stage, "healed");
      return aliasKeyArn === keyArn && keys[0]?.rotation.enabled;
    });
  });
});
