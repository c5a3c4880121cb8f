/**
 * Keys looked at as the stage's auditor, under exactly the rights that the stacks and the keys' policies give: what can be
 * seen, what is said of what can't, and that neither stops the rest.
 */
import { GetAccountAuthorizationDetailsCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  GetKeyPolicyCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
} from "@aws-sdk/client-kms";
import {
  type AuditorClients,
  type BulkFacts,
  type Clients,
  createAuditorClients,
  createClients,
  createQuotaShare,
  createVerifyPorts,
  destroyClients,
  findTenantKey,
  inspectedRoleOf,
  provisionTenantKey,
  type VerifyPorts,
  verifyTenantKeyNow,
} from "@tenantkeys/aws";
import {
  aliasName,
  DAY_MS,
  type KeyArn,
  type PolicyDocument,
  parseKeyArn,
  parseKeyName,
  parseTenantId,
  policyDocument,
  stageNames,
  tenantRoleName,
} from "@tenantkeys/core";
import { advanceClock, type LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorCredentials } from "../support/command-line.ts";
import { declarationOf, provisionerCredentials, provisionerPorts, testRun } from "../support/provisioner.ts";
import { sharedStage } from "../support/shared-stage.ts";

const KEY = parseKeyName("default");
const WHOLE = { grants: true, rotations: true } as const;
const FRANKFURT = "eu-central-1";
const TENANTS = ["acme", "denied", "misled", "bulky", "gone"] as const;

let stage: LocalStage;
let operator: Clients;
let auditor: AuditorClients;
let ports: VerifyPorts;
const keyArns = new Map<string, KeyArn>();

beforeAll(async () => {
  const profiles = {
    default: {},
    traveller: { replicaRegions: [FRANKFURT] },
    signer: { keySpec: "HMAC_256" as const },
  };
  stage = await sharedStage({ settings: { profiles } });
  const { at, settings, context } = stage;
  const worker = provisionerPorts({ at, credentials: await provisionerCredentials(stage), settings, context });
  for (const tenant of [...TENANTS, "traveller", "signer"]) {
    const profile = Object.hasOwn(profiles, tenant) ? tenant : "default";
    const { key } = (await provisionTenantKey(worker, testRun(), declarationOf(tenant, { profile }))) as {
      readonly key: { readonly keyArn: KeyArn };
    };
    keyArns.set(tenant, key.keyArn);
  }
  destroyClients(worker.clients);
  const options = { ...at, credentials: await operatorCredentials(stage) };
  operator = createClients(options);
  auditor = createAuditorClients(options, context.auditorRoleArn, "inspection");
  const quota = createQuotaShare(0.5, 2);
  ports = createVerifyPorts({ clients: operator, auditor, settings, context, quota });
}, 240_000);

afterAll(() => {
  auditor?.close();
  if (operator !== undefined) destroyClients(operator);
});

const keyOf = (tenant: string) => keyArns.get(tenant) as KeyArn;
const verify = (tenant: string, bulk?: BulkFacts) =>
  verifyTenantKeyNow(ports, testRun(), parseTenantId(tenant), KEY, WHOLE, bulk);
const rulesOf = (findings: readonly { readonly ruleId: string }[]) => findings.map(({ ruleId }) => ruleId);
const aliasOf = (tenant: string) => aliasName(stage.settings.stage, parseTenantId(tenant), KEY);

describe("what is as declared", () => {
  it.each(["acme", "traveller", "signer"])(
    "has no finding, and only what this endpoint lacks is unjudged: %s",
    async (tenant) => {
      const { verdict } = await verify(tenant);
      expect(verdict.findings).toEqual([]);
      // The local AWS has no ListKeyRotations.
      expect(verdict.unjudged.filter((ruleId) => !ruleId.startsWith("rotation-"))).toEqual([]);
      expect(verdict.attributes).toMatchObject({ keyArn: keyOf(tenant), nistState: "active" });
      expect(await ports.statuses.get(testRun(), parseTenantId(tenant), KEY)).toMatchObject({
        grantsReadAtMs: expect.any(Number),
      });
    },
  );
});

describe("what the auditor may not read", () => {
  const withoutActions = ({ Statement }: PolicyDocument, action: string) =>
    policyDocument(
      Statement.map((statement) => ({
        ...statement,
        Action: [statement.Action].flat().filter((name) => name !== action || statement.Sid !== "AuditByAuditor"),
      })),
    );

  it("is said of this key, with AWS's reason, and everything else of it and of other tenants is judged", async () => {
    const KeyId = keyOf("denied");
    const { Policy = "" } = await stage.root.kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: "default" }));
    const put = (policy: unknown) =>
      stage.root.kms.send(
        new PutKeyPolicyCommand({ KeyId, Policy: JSON.stringify(policy), BypassPolicyLockoutSafetyCheck: true }),
      );
    await put(withoutActions(JSON.parse(Policy), "kms:GetKeyPolicy"));
    await stage.root.kms.send(new DeleteAliasCommand({ AliasName: aliasOf("denied") }));
    const { verdict } = await verify("denied");
    expect(rulesOf(verdict.findings).toSorted()).toEqual(["alias-missing", "could-not-verify"]);
    const denied = verdict.findings.find(({ ruleId }) => ruleId === "could-not-verify");
    expect(denied).toMatchObject({ resource: KeyId, seen: expect.stringContaining("kms:GetKeyPolicy denied") });
    expect((await verify("acme")).verdict.findings).toEqual([]);

    await put(JSON.parse(Policy));
    await stage.root.kms.send(new CreateAliasCommand({ AliasName: aliasOf("denied"), TargetKeyId: KeyId }));
    const { changes } = await verify("denied");
    expect(rulesOf(changes.closed).toSorted()).toEqual(["alias-missing", "could-not-verify"]);
    const history = await ports.findings.history(testRun(), parseTenantId("denied"), 10);
    expect(rulesOf(history).toSorted()).toEqual(["alias-missing", "could-not-verify"]);
  });
});

describe("an alias", () => {
  it("that leads to a key that hides is told from one that isn't there", async () => {
    const hidden = policyDocument([
      {
        Sid: "NobodyOfTenantkeys",
        Effect: "Allow",
        Principal: { AWS: stage.applicationRoleArn },
        Action: "kms:*",
        Resource: "*",
      },
    ]);
    const { KeyMetadata } = await stage.root.kms.send(
      new CreateKeyCommand({ Policy: JSON.stringify(hidden), BypassPolicyLockoutSafetyCheck: true }),
    );
    await stage.root.kms.send(new DeleteAliasCommand({ AliasName: aliasOf("misled") }));
    expect(rulesOf((await verify("misled")).verdict.findings)).toEqual(["alias-missing"]);
    const moved = { AliasName: aliasOf("misled"), TargetKeyId: KeyMetadata?.KeyId };
    await stage.root.kms.send(new CreateAliasCommand(moved));
    const { verdict } = await verify("misled");
    expect(rulesOf(verdict.findings)).toContain("alias-on-another-key");
    expect(verdict.findings[0]?.seen).toContain(KeyMetadata?.Arn);
  });
});

describe("the account's bulk list of roles", () => {
  it("can be read by the auditor, and what it says of a tenant's role is what reading it says", async () => {
    const RoleName = tenantRoleName(stage.settings.stage, parseTenantId("bulky"));
    const { RoleDetailList = [] } = await auditor.clients.iam.send(
      new GetAccountAuthorizationDetailsCommand({ Filter: ["Role"] }),
    );
    const detail = RoleDetailList.find((one) => one.RoleName === RoleName);
    // The local AWS leaves boundaries out of this list, so what it says of them is read again and found right.
    const role = inspectedRoleOf(detail ?? {});
    const { verdict } = await verify("bulky", { aliasTarget: keyOf("bulky"), role });
    expect(verdict.findings).toEqual([]);

    const more = policyDocument([{ Sid: "More", Effect: "Allow", Action: "kms:Decrypt", Resource: "*" }]);
    const wider = { RoleName, PolicyName: "more", PolicyDocument: JSON.stringify(more) };
    await stage.iam.send(new PutRolePolicyCommand(wider));
    expect(rulesOf((await verify("bulky")).verdict.findings)).toEqual(["role-policy-foreign"]);
  });
});

describe("a replica", () => {
  it("that lost its alias in its own Region is found there", async () => {
    const inFrankfurt = createClients({ ...stage.at, region: FRANKFURT, credentials: stage.emulator.credentials });
    await inFrankfurt.kms.send(new DeleteAliasCommand({ AliasName: aliasOf("traveller") }));
    const { verdict } = await verify("traveller");
    destroyClients(inFrankfurt);
    expect(verdict.findings).toMatchObject([{ ruleId: "replica-differs", seen: expect.stringContaining(FRANKFURT) }]);
  });
});

describe("whose a key is", () => {
  const find = (keyArn: KeyArn) =>
    findTenantKey(
      { ...ports, clients: stage.root, tableName: stageNames(stage.settings.stage).registryTable },
      testRun(),
      keyArn,
    );

  it("the registry says by its ARN, and of a replica its tags do", async () => {
    expect(await find(keyOf("acme"))).toEqual({ tenantId: "acme", keyName: "default" });
    const replica = parseKeyArn(keyOf("traveller").replace(stage.region, FRANKFURT));
    expect(await find(replica)).toEqual({ tenantId: "traveller", keyName: "default" });
  });

  it("nobody says of a key that isn't ours", async () => {
    const { KeyMetadata } = await stage.root.kms.send(new CreateKeyCommand({}));
    expect(await find(parseKeyArn(KeyMetadata?.Arn ?? ""))).toBeUndefined();
  });
});

/** Last, as it moves KMS's time for all keys. */
describe("a key that KMS has deleted", () => {
  it("is missing, by KMS's word, and not merely refused", async () => {
    const KeyId = keyOf("gone");
    const allow = { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${stage.accountId}:root` } } as const;
    const open = policyDocument([{ Sid: "Whoever", ...allow, Action: "kms:*", Resource: "*" }]);
    await stage.root.kms.send(new PutKeyPolicyCommand({ KeyId, Policy: JSON.stringify(open) }));
    await stage.root.kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
    const dying = rulesOf((await verify("gone")).verdict.findings);
    // The auditor's own rights on a key are to ask whether it is there; this policy gives it no others.
    expect(dying).toEqual(["key-pending-deletion-unintended", "could-not-verify"]);
    await advanceClock(stage.at.endpoint, 8 * DAY_MS);
    const { verdict, changes } = await verify("gone");
    expect(rulesOf(verdict.findings)).toEqual(["key-missing"]);
    expect(rulesOf(changes.closed).toSorted()).toEqual(["could-not-verify", "key-pending-deletion-unintended"]);
  });
});
