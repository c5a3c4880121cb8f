/** What stands in the way and isn't ours is refused under its own code and left exactly as it was. */
import { CreateRoleCommand, GetRoleCommand } from "@aws-sdk/client-iam";
import { CreateAliasCommand, CreateKeyCommand } from "@aws-sdk/client-kms";
import { provisionTenantKey, readKey, startRun, systemClock } from "@tenantkeys/aws";
import {
  aliasName,
  keyTags,
  parseAttemptId,
  parseKeyArn,
  parseKeyName,
  parseTenantId,
  stageNames,
} from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { readTenantKey } from "../support/aws-state.ts";
import {
  deliver,
  messagesIn,
  type ReplyTap,
  readRecord,
  signUpEnvelope,
  tapReplies,
  untilActive,
} from "../support/events.ts";
import {
  type CallHook,
  declarationOf,
  provisionerCredentials,
  provisionerPorts,
  testRun,
} from "../support/provisioner.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let replies: ReplyTap;

beforeAll(async () => {
  stage = await sharedStage();
  replies = await tapReplies(stage);
});

const failureOf = (tenantId: string) =>
  replies.next(
    `the failure of ${tenantId}`,
    ({ detail, detailType }) => detailType === "TenantKeyProvisioningFailed" && detail.tenantId === tenantId,
  );

const alias = (tenantId: string) => aliasName(stage.settings.stage, parseTenantId(tenantId), parseKeyName("default"));

async function foreignKey(tags: Readonly<Record<string, string>>): Promise<string> {
  const Tags = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
  const { KeyMetadata } = await stage.root.kms.send(new CreateKeyCommand({ Description: "somebody else's", Tags }));
  return KeyMetadata?.Arn ?? "";
}

const readForeignKey = (arn: string) => readKey(stage.root, startRun(systemClock, 10_000, 1_000), parseKeyArn(arn));

describe("a role of the tenant's name that tenantkeys didn't make", () => {
  const trust = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" }],
  };

  it.each([
    ["under another path", "role-elsewhere", "/"],
    ["under our path", "role-here", "/tenantkeys/local/"],
  ])("is refused with role_taken and untouched, %s", async (_where, tenantId, path) => {
    const RoleName = `tk-local-${tenantId}`;
    await stage.iam.send(
      new CreateRoleCommand({ RoleName, Path: path, AssumeRolePolicyDocument: JSON.stringify(trust) }),
    );
    const before = await stage.iam.send(new GetRoleCommand({ RoleName }));

    await deliver(stage, signUpEnvelope(tenantId));
    const failure = await failureOf(tenantId);

    expect(failure.detail).toMatchObject({ code: "role_taken", keptIn: "refused store" });
    expect(failure.detail.nextAction).toContain(`tenantkeys replay --refused --tenant ${tenantId}`);
    expect(await readRecord(stage, tenantId)).toMatchObject({ state: "failed", failure: { code: "role_taken" } });
    const after = await stage.iam.send(new GetRoleCommand({ RoleName }));
    expect(after.Role).toEqual(before.Role);
    expect((await readTenantKey(stage, tenantId)).rolePolicyNames).toEqual([]);
  });
});

describe("an alias of the tenant's name that tenantkeys didn't make", () => {
  it("is refused with alias_taken and keeps its key", async () => {
    const arn = await foreignKey({ owner: "finance" });
    await stage.root.kms.send(new CreateAliasCommand({ AliasName: alias("alias-owner"), TargetKeyId: arn }));
    const before = await readForeignKey(arn);

    await deliver(stage, signUpEnvelope("alias-owner"));
    const failure = await failureOf("alias-owner");

    expect(failure.detail).toMatchObject({ code: "alias_taken", keptIn: "refused store" });
    expect(await readForeignKey(arn)).toEqual(before);
    expect((await readTenantKey(stage, "alias-owner")).aliasKeyArn).toBe(arn);
  });

  it("becomes active with the key already made once the alias is gone and the event comes again", async () => {
    const { DeleteAliasCommand } = await import("@aws-sdk/client-kms");
    const made = (await readTenantKey(stage, "alias-owner")).keys.map((key) => key.keyArn);
    await stage.root.kms.send(new DeleteAliasCommand({ AliasName: alias("alias-owner") }));

    await deliver(stage, signUpEnvelope("alias-owner"));
    const record = await untilActive(stage, "alias-owner");

    expect(made).toEqual([record.keyArn]);
  });
});

describe("a key that carries the tenant's tags and that no attempt of ours made", () => {
  it("is refused with key_taken where it holds the alias, and untouched", async () => {
    const tenantId = parseTenantId("tagged-key");
    const tags = keyTags(stage.settings.stage, tenantId, parseKeyName("default"), parseAttemptId("somebody-elses"));
    const arn = await foreignKeyReadableByUs(tags);
    await stage.root.kms.send(new CreateAliasCommand({ AliasName: alias(tenantId), TargetKeyId: arn }));
    const before = await readForeignKey(arn);

    await deliver(stage, signUpEnvelope(tenantId));
    const failure = await failureOf(tenantId);

    expect(failure.detail).toMatchObject({ code: "key_taken", keptIn: "refused store" });
    expect(await readForeignKey(arn)).toEqual(before);
  });

  it("is refused with key_taken by a run that looks for a lost attempt, and untouched", async () => {
    const tenantId = parseTenantId("tagged-spare");
    const tags = keyTags(stage.settings.stage, tenantId, parseKeyName("default"), parseAttemptId("somebody-elses"));
    const arn = await foreignKeyReadableByUs(tags);
    const credentials = await provisionerCredentials(stage);
    const lost: CallHook = {
      before: (name) => {
        if (name === "CreateKeyCommand") throw Object.assign(new Error("never sent"), { name: "TimeoutError" });
      },
    };
    const declaration = declarationOf(tenantId);
    const first = provisionTenantKey(provisionerPorts({ ...stage, credentials, hook: lost }), testRun(), declaration);
    await expect(first).rejects.toThrow();
    const before = await readForeignKey(arn);

    const second = provisionTenantKey(provisionerPorts({ ...stage, credentials }), testRun(), declaration);

    await expect(second).rejects.toMatchObject({ code: "key_taken", retryable: false });
    expect(await readForeignKey(arn)).toEqual(before);
  });

  /** Under a policy that lets the provisioner look, as a copy of ours would; otherwise it couldn't tell whose it is. */
  async function foreignKeyReadableByUs(tags: Readonly<Record<string, string>>): Promise<string> {
    const statement = (Principal: object, Action: string) => ({
      Sid: Action,
      Effect: "Allow",
      Principal,
      Action,
      Resource: "*",
    });
    const Policy = JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        statement({ AWS: `arn:aws:iam::${stage.accountId}:root` }, "kms:*"),
        statement({ AWS: stage.context.provisionerRoleArn }, "kms:*"),
      ],
    });
    const Tags = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
    const { KeyMetadata } = await stage.root.kms.send(new CreateKeyCommand({ Policy, Tags }));
    return KeyMetadata?.Arn ?? "";
  }
});

it("leaves nothing of this in the dead-letter queue: waiting can't help, so it is refused at once", async () => {
  expect(await messagesIn(stage, stageNames(stage.settings.stage).queueDeadLetter)).toBe(0);
});
