/** Two stages in one account: nothing of stage `dev` sees or touches a key of stage `production`. Tried live. */
import { DeleteRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import {
  CreateAliasCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  GetKeyPolicyCommand,
  ListResourceTagsCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UpdateAliasCommand,
} from "@aws-sdk/client-kms";
import { type Credentials, clientConfig } from "@tenantkeys/aws";
import { assumeRole, type LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { deliver, signUpEnvelope, untilActive } from "../support/events.ts";
import { provisionerCredentials } from "../support/provisioner.ts";
import { outcome, type Session, sessionOf, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const DENIED = "AccessDeniedException";
const ALIAS = "alias/tenantkeys/production/acme/default";

let dev: LocalStage;
let production: LocalStage;
let keyArn: string;

beforeAll(async () => {
  dev = await sharedStage({ stage: "dev" });
  production = await sharedStage({ stage: "production", emulator: dev.emulator });
  await Promise.all([deliver(dev, signUpEnvelope("acme")), deliver(production, signUpEnvelope("acme"))]);
  await untilActive(dev, "acme");
  keyArn = (await untilActive(production, "acme")).keyArn ?? "";
});

/** Everything that could show, use or change the production key: all of it must be refused. */
async function tryAll({ kms }: Session): Promise<Readonly<Record<string, string>>> {
  const KeyId = keyArn;
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [] });
  const Tags = [{ TagKey: "tenantkeys:stage", TagValue: "dev" }];
  const AliasName = "alias/tenantkeys/dev/stolen/default";
  const calls = {
    DescribeKey: kms.send(new DescribeKeyCommand({ KeyId })),
    "DescribeKey by alias": kms.send(new DescribeKeyCommand({ KeyId: ALIAS })),
    GetKeyPolicy: kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: "default" })),
    ListResourceTags: kms.send(new ListResourceTagsCommand({ KeyId })),
    Encrypt: kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("x") })),
    PutKeyPolicy: kms.send(new PutKeyPolicyCommand({ KeyId, PolicyName: "default", Policy })),
    TagResource: kms.send(new TagResourceCommand({ KeyId, Tags })),
    DisableKey: kms.send(new DisableKeyCommand({ KeyId })),
    ScheduleKeyDeletion: kms.send(new ScheduleKeyDeletionCommand({ KeyId })),
    CreateAlias: kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyId })),
    "UpdateAlias of its own": kms.send(
      new UpdateAliasCommand({ AliasName: "alias/tenantkeys/dev/acme/default", TargetKeyId: KeyId }),
    ),
    DeleteAlias: kms.send(new DeleteAliasCommand({ AliasName: ALIAS })),
  };
  const outcomes = Object.entries(calls).map(async ([name, call]) => [name, await outcome(call)] as const);
  return Object.fromEntries(await Promise.all(outcomes));
}

const onlyDenied = (outcomes: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.keys(outcomes).map((name) => [name, DENIED]));

describe("a production key", () => {
  it("is seen and used by production's own: what is refused below could work", async () => {
    const provisioner = sessionOf(production.at, await provisionerCredentials(production));
    const tenant = await tenantSession(production, "acme");
    const Plaintext = Buffer.from("x");

    expect(await outcome(provisioner.kms.send(new DescribeKeyCommand({ KeyId: ALIAS })))).toBe("worked");
    expect(await outcome(tenant.kms.send(new EncryptCommand({ KeyId: keyArn, Plaintext })))).toBe("worked");
  });

  it("isn't seen, used or changed by the dev stage's provisioner", async () => {
    const outcomes = await tryAll(sessionOf(dev.at, await provisionerCredentials(dev)));
    expect(outcomes).toEqual(onlyDenied(outcomes));
  });

  it("isn't seen, used or changed by the dev stage's auditor", async () => {
    const auditor = await assumeRole(dev.at, dev.emulator.credentials, dev.context.auditorRoleArn);
    const outcomes = await tryAll(sessionOf(dev.at, auditor));
    expect(outcomes).toEqual(onlyDenied(outcomes));
  });

  it("isn't seen, used or changed by the same tenant's session of the dev stage", async () => {
    const outcomes = await tryAll(await tenantSession(dev, "acme"));
    expect(outcomes).toEqual(onlyDenied(outcomes));
  });
});

it("a production tenant's role can't be removed by the dev stage's provisioner", async () => {
  const credentials: Credentials = await provisionerCredentials(dev);
  const iam = new IAMClient(clientConfig({ ...dev.at, credentials }));
  const command = new DeleteRoleCommand({ RoleName: "tk-production-acme" });
  expect(await outcome(iam.send(command)).finally(() => iam.destroy())).toMatch(/^AccessDenied/);
});
