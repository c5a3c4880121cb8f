/**
 * A key of the tenant's own account: brought by ARN, used by the tenant's role, and never touched. Both policies decide,
 * its owner's and ours, on the real stacks and a second account of the local AWS.
 */
import { GetRoleCommand } from "@aws-sdk/client-iam";
import {
  CreateKeyCommand,
  DescribeKeyCommand,
  GetKeyPolicyCommand,
  KMSClient,
  PutKeyPolicyCommand,
} from "@aws-sdk/client-kms";
import { clientConfig } from "@tenantkeys/aws";
import {
  accountPrincipal,
  completeKeyProfile,
  ownKeyPolicyStatements,
  parseAccountId,
  parseTenantId,
  policyDocument,
  tenantPrincipalArn,
} from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import { operatorCredentials, tenantkeys } from "../support/command-line.ts";
import { publish, type ReplyTap, tapReplies, tenantEnvelope, untilActive } from "../support/events.ts";
import { encrypt, untilState } from "../support/life.ts";
import { outcome, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const OWNER_ACCOUNT = parseAccountId("444455556666");

let stage: LocalStage;
let tap: ReplyTap;
/** The key's owner: on the local AWS, an access key of 12 digits is that account's root. */
let owner: KMSClient;
let keyArn: string;

beforeAll(async () => {
  stage = await sharedStage({
    settings: { tenantOwnedKeys: true, profiles: { default: { watchPeriodDays: 0, deletionWindowDays: 7 } } },
  });
  tap = await tapReplies(stage);
  const credentials = { accessKeyId: OWNER_ACCOUNT, secretAccessKey: "test" };
  owner = new KMSClient(clientConfig({ ...stage.at, credentials }));
  const { KeyMetadata } = await owner.send(new CreateKeyCommand({ Policy: JSON.stringify(ownersPolicy(false)) }));
  keyArn = KeyMetadata?.Arn ?? "";
}, 120_000);

afterAll(() => owner.destroy());

function ownersPolicy(shared: boolean) {
  const tenantRole = tenantPrincipalArn(stage.context, parseTenantId("owner"));
  return policyDocument([
    {
      Sid: "Owner",
      Effect: "Allow",
      Principal: { AWS: accountPrincipal(OWNER_ACCOUNT) },
      Action: "kms:*",
      Resource: "*",
    },
    ...(shared ? ownKeyPolicyStatements(stage.context, completeKeyProfile(), tenantRole) : []),
  ]);
}

const happens = (type: string, tenantId: string, detail: object = {}) =>
  publish(stage, tenantEnvelope(type, { tenantId, ...detail }));
const use = async (tenantId: string) => outcome(encrypt(await tenantSession(stage, tenantId), keyArn, "x"));

it("is refused while its owner's policy doesn't let tenantkeys describe it, and the role is there to be named", async () => {
  await happens("TenantKeyAdded", "owner", { keyName: "own", keyArn });
  const { detail } = await tap.next("the refusal", (reply) => reply.detailType === "TenantKeyProvisioningFailed");
  expect(detail).toMatchObject({ code: "own_key_unusable", tenantId: "owner", keyName: "own" });
  expect(await outcome(stage.iam.send(new GetRoleCommand({ RoleName: "tk-local-owner" })))).toBe("worked");
});

it("is used by its tenant's role, and by no other tenant's, once its owner agrees", async () => {
  await owner.send(
    new PutKeyPolicyCommand({ KeyId: keyArn, PolicyName: "default", Policy: JSON.stringify(ownersPolicy(true)) }),
  );
  await happens("TenantKeyAdded", "owner", { keyName: "own", keyArn });
  const record = await untilActive(stage, "owner", "own");
  expect(record).toMatchObject({ keyArn, ownKeyArn: keyArn });
  expect(record.aliasName).toBeUndefined();
  await happens("TenantSignedUp", "stranger");
  await untilActive(stage, "stranger");
  expect([await use("owner"), await use("stranger")]).toEqual(["worked", "AccessDeniedException"]);
});

it("is tried by the command line without being used", async () => {
  const credentials = await operatorCredentials(stage);
  const printed = await tenantkeys(stage, credentials, ["outside-policy", "owner", "--key-name", "own"]);
  expect(JSON.parse(printed.stdout)).toMatchObject([{ Sid: "UseByTenantkeysTenant" }, { Sid: "DescribeByTenantkeys" }]);
  const root = { ...stage.emulator.credentials, sessionToken: "" };
  const probed = await tenantkeys(stage, root, ["probe", "owner", "--key-name", "own", "--json"]);
  expect([probed.exitCode, JSON.parse(probed.stdout)]).toMatchObject([0, { usable: true, keyArn }]);
});

it("is out of reach while its tenant is suspended, and its owner's policy stays as it is", async () => {
  await happens("TenantSuspended", "owner");
  await untilState(stage, "owner", "suspended", "own");
  expect(await use("owner")).toBe("AccessDeniedException");
  await happens("TenantResumed", "owner");
  await untilState(stage, "owner", "active", "own");
  expect(await use("owner")).toBe("worked");
});

it("lives on when its tenant is offboarded: only our role is gone", async () => {
  await happens("TenantOffboarded", "owner");
  await untilState(stage, "owner", "destroyed", "own");
  expect(await outcome(stage.iam.send(new GetRoleCommand({ RoleName: "tk-local-owner" })))).toMatch(/^NoSuchEntity/);
  expect((await owner.send(new DescribeKeyCommand({ KeyId: keyArn }))).KeyMetadata?.KeyState).toBe("Enabled");
  const { Policy } = await owner.send(new GetKeyPolicyCommand({ KeyId: keyArn, PolicyName: "default" }));
  expect(JSON.parse(Policy ?? "{}").Statement).toHaveLength(3);
});

it("isn't taken from the stage's own account", async () => {
  const own = keyArn.replace(OWNER_ACCOUNT, stage.accountId);
  await happens("TenantKeyAdded", "confused", { keyName: "own", keyArn: own });
  const { detail } = await tap.next("the refusal", (reply) => reply.detail.tenantId === "confused");
  expect(detail).toMatchObject({ code: "event_invalid", field: "detail.keyArn" });
});
