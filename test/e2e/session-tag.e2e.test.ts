/** One role for all tenants: what a session may do hangs on the tenant that its tag names. Tried with real sessions. */
import { PutRolePolicyCommand } from "@aws-sdk/client-iam";
import {
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  PutKeyPolicyCommand,
} from "@aws-sdk/client-kms";
import {
  desiredTenantKey,
  type KeyProfile,
  parseAttemptId,
  parseKeyName,
  parseTenantId,
  stageNames,
} from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { provisionerCredentials } from "../support/provisioner.ts";
import { assumeTagged, outcome, type Session, sessionOf } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const DENIED = "AccessDeniedException";
/** How STS says it: its errors don't end in "Exception". */
const NOT_ASSUMED = "AccessDenied";

const JOB_ROLE = "arn:aws:iam::000000000000:role/nightly-job";

let stage: LocalStage;
let acme: string;
let globex: string;

beforeAll(async () => {
  const profiles = { default: { jobRoleArns: [JOB_ROLE] } };
  stage = await sharedStage({ settings: { roleMode: "session-tag", profiles } });
  [acme, globex] = await Promise.all([makeKey("acme"), makeKey("globex")]);
});

/** The tenant's key, made as the provisioner and with its documents. @returns its ARN */
async function makeKey(tenantId: string): Promise<string> {
  const profile = stage.settings.profiles.default as KeyProfile;
  const key = desiredTenantKey(stage.context, parseTenantId(tenantId), parseKeyName("default"), profile);
  const provisioner = sessionOf(stage.at, await provisionerCredentials(stage));
  const tags = key.keyTags(parseAttemptId("attempt-of-a-test"));
  const { KeyMetadata } = await provisioner.kms.send(
    new CreateKeyCommand({
      Policy: JSON.stringify(key.creationPolicy),
      Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    }),
  );
  const KeyId = KeyMetadata?.Arn ?? "";
  const Policy = JSON.stringify(key.admittedPolicy);
  await provisioner.kms.send(new PutKeyPolicyCommand({ KeyId, PolicyName: "default", Policy }));
  return KeyId;
}

const assume = (tags: Readonly<Record<string, string>>) => assumeTagged(stage, stage.context.sharedTenantRoleArn, tags);
const encrypt = ({ kms }: Session, KeyId: string) =>
  kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("a tenant's data") }));

describe("a session of the shared role", () => {
  it("uses the key of the tenant that its tag names, and no other tenant's", async () => {
    const [ofAcme, ofGlobex] = await Promise.all([assume({ tenant: "acme" }), assume({ tenant: "globex" })]);
    const { CiphertextBlob } = await encrypt(ofAcme, acme);

    expect(await outcome(ofAcme.kms.send(new DecryptCommand({ KeyId: acme, CiphertextBlob })))).toBe("worked");
    expect(await outcome(encrypt(ofGlobex, globex))).toBe("worked");
    expect(await outcome(encrypt(ofAcme, globex))).toBe(DENIED);
    expect(await outcome(encrypt(ofGlobex, acme))).toBe(DENIED);
    expect(await outcome(ofGlobex.kms.send(new DecryptCommand({ KeyId: acme, CiphertextBlob })))).toBe(DENIED);
    expect(await outcome(ofGlobex.kms.send(new DescribeKeyCommand({ KeyId: acme })))).toBe(DENIED);
  });

  it.each(["ACME", "acme-2", "acm", "*", "acme*", "?cme"])("tagged %s uses no key of acme's", async (tenant) => {
    expect(await outcome(assume({ tenant }).then((session) => encrypt(session, acme)))).toMatch(
      /^(AccessDenied(Exception)?|ValidationError)$/,
    );
  });

  it("isn't had without a tag, with another tag, or with one tag more", async () => {
    expect(await outcome(assume({}))).toBe(NOT_ASSUMED);
    expect(await outcome(assume({ tenant: "" }))).toMatch(/^(AccessDenied|ValidationError)$/);
    expect(await outcome(assume({ customer: "acme" }))).toBe(NOT_ASSUMED);
    expect(await outcome(assume({ tenant: "acme", admin: "true" }))).toBe(NOT_ASSUMED);
  });

  it("lends the key of the tenant that its tag names to a job of the profile, and no other tenant's", async () => {
    const [ofAcme, ofGlobex] = await Promise.all([assume({ tenant: "acme" }), assume({ tenant: "globex" })]);
    const lend = ({ kms }: Session, KeyId: string, tenant: string) =>
      outcome(
        kms.send(
          new CreateGrantCommand({
            KeyId,
            GranteePrincipal: JOB_ROLE,
            RetiringPrincipal: stage.context.sharedTenantRoleArn,
            Operations: ["Decrypt"],
            Constraints: { EncryptionContextSubset: { tenant } },
          }),
        ),
      );
    expect(await lend(ofAcme, acme, "acme")).toBe("worked");
    expect(await lend(ofAcme, acme, "globex")).toBe(DENIED);
    expect(await lend(ofGlobex, acme, "acme")).toBe(DENIED);
    expect(await lend(ofGlobex, acme, "globex")).toBe(DENIED);
  });

  it("reaches no other tenant's key and changes none, also with kms:* given to the role by mistake", async () => {
    const { sharedTenantRole: RoleName } = stageNames(stage.settings.stage);
    const document = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "kms:*", Resource: "*" }] };
    await stage.iam.send(
      new PutRolePolicyCommand({ RoleName, PolicyName: "by-mistake", PolicyDocument: JSON.stringify(document) }),
    );
    const ofAcme = await assume({ tenant: "acme" });
    const Policy = JSON.stringify(document);

    expect(await outcome(encrypt(ofAcme, acme))).toBe("worked");
    expect(await outcome(encrypt(ofAcme, globex))).toBe(DENIED);
    const change = new PutKeyPolicyCommand({ KeyId: acme, PolicyName: "default", Policy });
    expect(await outcome(ofAcme.kms.send(change))).toBe(DENIED);
  });
});

it("the application's own role uses no tenant's key: it has to become a tenant's session", async () => {
  const application = sessionOf(stage.at, await stage.application());
  expect(await outcome(encrypt(application, acme))).toBe(DENIED);
});
