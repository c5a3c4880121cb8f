/** Each rule about a tenant key: what it is found on, alone, and what looks alike and isn't a finding. */
import { describe, expect, it, test } from "vitest";
import { parseKeyArn, parseKeyName, parseRegion, parseRoleArn } from "../ids.ts";
import { PREVIOUS_KEYS_MAX } from "../key-record.ts";
import { jobGrantName } from "../names.ts";
import { DAY_MS } from "../offboarding.ts";
import { replicaArn } from "../plan-replicas.ts";
import { exampleProfile } from "../test-support.ts";
import { RULE_IDS, type RuleId } from "./finding-rules.ts";
import {
  ATTEMPT_ID,
  type Changes,
  DEAD_ID,
  denied,
  exampleDesired,
  exampleInput,
  exampleKey,
  exampleRole,
  HOUR_MS,
  KEY_ARN,
  NOW_MS,
  OTHER_KEY_ARN,
  read,
  rulesFound,
  SKIPPED,
  STRANGER,
} from "./test-support.ts";
import { TENANT_KEY_RULES, verifyTenantKey } from "./verify-tenant-key.ts";

const DESIRED = exampleDesired();
const MINUTE_MS = HOUR_MS / 60;

const PUBLIC_POLICY = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: "*", Action: "kms:Decrypt" }],
};
/** As KMS shows a policy whose tenant role was deleted. */
const ORPHANED_POLICY = JSON.parse(JSON.stringify(DESIRED.admittedPolicy).replaceAll(DESIRED.principalArn, DEAD_ID));

const OUR_POLICY = { "key-default": DESIRED.rolePolicy(KEY_ARN) };
/** What an owner may attach for a tenant's data. */
const DATA_POLICY = {
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", Action: ["s3:GetObject", "dynamodb:Query"], Resource: "*" },
    { Effect: "Deny", Action: "s3:*", Resource: "*", Condition: { Bool: { "aws:SecureTransport": "false" } } },
  ],
};

const HMAC = exampleDesired(exampleProfile({ keySpec: "HMAC_256" }));
const BYOK = exampleDesired(exampleProfile({ origin: "EXTERNAL" }));
const SERVICES = exampleDesired(exampleProfile({ serviceGrants: true }));
const JOB = "arn:aws:iam::111122223333:role/jobs/nightly";
const JOBS = exampleDesired(exampleProfile({ jobRoleArns: [JOB], jobGrantHoursMax: 48, actions: "decrypt-only" }));
const SHARED_ROLE = exampleDesired(exampleProfile(), { roleMode: "session-tag" });
const REPLICATED = exampleDesired(exampleProfile({ replicaRegions: ["eu-central-1"] }));
const FRANKFURT = parseRegion("eu-central-1");
const MRK_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/mrk-1");
const REPLICA_ARN = replicaArn(MRK_ARN, FRANKFURT);
const OWN_ARN = parseKeyArn("arn:aws:kms:eu-west-1:444455556666:key/own");

const GRANT = {
  grantId: "grant-1",
  granteePrincipal: STRANGER,
  issuingAccount: "arn:aws:iam::111122223333:root",
  operations: ["Decrypt"],
  createdAtMs: NOW_MS - DAY_MS,
};
const SERVICE_GRANT = { ...GRANT, granteePrincipal: "dynamodb.eu-west-1.amazonaws.com" };
const JOB_GRANT = {
  ...GRANT,
  granteePrincipal: JOB,
  operations: ["Decrypt", "DescribeKey", "RetireGrant"],
  encryptionContext: { tenant: "acme", keyName: "default", stage: "dev" },
  name: jobGrantName(NOW_MS + HOUR_MS, "nightly-7"),
};
const unnamed = ({ name: _, ...grant }: typeof JOB_GRANT) => grant;
const unbound = ({ encryptionContext: _, ...grant }: typeof JOB_GRANT) => grant;
const jobs = (changes: Partial<typeof JOB_GRANT> = {}, others: Changes = {}): Changes => ({
  desired: JOBS,
  ...others,
  key: { grants: read([{ ...JOB_GRANT, ...changes }]) },
});
const rotated = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ atMs: NOW_MS - (index + 1) * DAY_MS, type: "ON_DEMAND" as const }));

/** A multi-Region key with its replica, in order but for the changes. */
function replicated(
  replica: Partial<ReturnType<typeof exampleKey>> | "absent" | "not-inspected" = {},
  aliasTarget = read<typeof KEY_ARN | undefined>(REPLICA_ARN),
  changes: Changes = {},
): Changes {
  const present = exampleKey(REPLICATED, changes.target ?? "usable", REPLICA_ARN, { deletionDateMs: undefined });
  const inFrankfurt = exampleDesired(exampleProfile({ replicaRegions: ["eu-central-1"] }));
  const key =
    replica === "absent" || replica === "not-inspected"
      ? ({ kind: "absent", keyArn: REPLICA_ARN } as const)
      : { ...present, rotation: SKIPPED, rotations: SKIPPED, tags: read(inFrankfurt.keyTags(ATTEMPT_ID)), ...replica };
  return {
    desired: REPLICATED,
    ...changes,
    record: { keyArn: MRK_ARN, attempts: [{ attemptId: ATTEMPT_ID, outcome: "created", keyArn: MRK_ARN }] },
    inspected: { replicas: replica === "not-inspected" ? [] : [{ region: FRANKFURT, key, aliasTarget }] },
  };
}

const ownKey = (changes: Changes = {}): Changes => {
  const keyArn = OWN_ARN;
  const nothing = { policy: SKIPPED, tags: SKIPPED, rotation: SKIPPED, rotations: SKIPPED, grants: SKIPPED };
  return {
    ...changes,
    record: { ownKeyArn: keyArn, keyArn, attempts: [], aliasName: undefined, ...changes.record },
    key: changes.key === "absent" ? "absent" : { ...nothing, ...changes.key },
    inspected: { aliasTarget: SKIPPED, ...changes.inspected },
  };
};

/** [what it is, the rules that are found, in their order, what is changed] */
type Case = readonly [string, readonly RuleId[], Changes];

const inOrder: readonly Case[] = [
  ["an active key", [], {}],
  ["a suspended tenant's", [], { target: "disabled" }],
  ["one that waits on its way out", [], { target: "withdrawn" }],
  ["an HMAC key, which KMS never rotates", [], { desired: HMAC }],
  ["a key with imported material", [], { desired: BYOK }],
  ["a key whose tenants share one role", [], { desired: SHARED_ROLE }],
  ["a key whose shared role isn't looked for", [], { desired: SHARED_ROLE, inspected: { role: SKIPPED } }],
  ["a key with its replica", [], replicated()],
  ["a suspended key whose replica was never made", [], replicated("absent", read(undefined), { target: "disabled" })],
  ["a key made before its profile got replicas", [], { desired: REPLICATED }],
  ["a key of the tenant's own account", [], ownKey()],
  [
    "the same, its tenant suspended: what the owner does with it is the owner's business",
    [],
    ownKey({ target: "disabled", description: { state: "Enabled" }, role: { inlinePolicies: {} } }),
  ],
  [
    "the same, its tenant leaving, and scheduled for deletion by its owner",
    [],
    ownKey({ target: "withdrawn", description: { state: "PendingDeletion" } }),
  ],
];

const keyState: readonly Case[] = [
  [
    "a key that isn't there, and nothing that follows",
    ["key-missing"],
    { key: "absent", inspected: { aliasTarget: read(undefined) } },
  ],
  [
    "a key that went before its deletion was scheduled",
    ["key-missing"],
    { target: "deleted", key: "absent", record: { state: "offboarding" } },
  ],
  [
    "a predecessor that isn't there",
    ["key-missing"],
    { record: { previousKeyArns: [OTHER_KEY_ARN] }, otherKeys: [{ kind: "absent", keyArn: OTHER_KEY_ARN }] },
  ],
  ["a key of another account that isn't there", ["key-missing"], ownKey({ key: "absent" })],
  ["a key that is gone as intended", [], { target: "deleted", key: "absent" }],
  ["a disabled key", ["key-disabled"], { description: { state: "Disabled" } }],
  ["a key of another account that is disabled", ["key-disabled"], ownKey({ description: { state: "Disabled" } })],
  ["a suspended tenant's key that is enabled", ["key-open"], { target: "disabled", description: { state: "Enabled" } }],
  ["a leaving tenant's key that is enabled", ["key-open"], { target: "withdrawn", description: { state: "Enabled" } }],
  [
    "a suspended tenant's predecessor that is enabled",
    ["key-open"],
    {
      target: "disabled",
      record: { previousKeyArns: [OTHER_KEY_ARN] },
      otherKeys: [exampleKey(DESIRED, "disabled", OTHER_KEY_ARN, { state: "Enabled" })],
    },
  ],
  [
    "a deletion that nobody declared",
    ["key-pending-deletion-unintended"],
    { description: { state: "PendingDeletion" }, key: { rotation: read({ enabled: false }) } },
  ],
  [
    "a deletion of a suspended tenant's key",
    ["key-pending-deletion-unintended"],
    { target: "disabled", description: { state: "PendingDeletion" } },
  ],
  [
    "a deletion before its time",
    ["key-pending-deletion-unintended"],
    { target: "withdrawn", description: { state: "PendingDeletion" } },
  ],
  ["an intended deletion", ["key-pending-deletion-intended"], { target: "deleted" }],
  [
    "an intended deletion that waits for replicas",
    ["key-pending-deletion-intended"],
    { target: "deleted", description: { state: "PendingReplicaDeletion", deletionDateMs: undefined } },
  ],
  [
    "a key that outlived its date by two days",
    ["key-deletion-overdue"],
    { target: "deleted", description: { deletionDateMs: NOW_MS - 2 * DAY_MS } },
  ],
  [
    "a key that outlived its date by an hour",
    ["key-pending-deletion-intended"],
    { target: "deleted", description: { deletionDateMs: NOW_MS - HOUR_MS } },
  ],
  [
    "a recorded deletion that was taken back",
    ["key-deletion-overdue"],
    { target: "deleted", description: { state: "Disabled" } },
  ],
  [
    "a recorded deletion that was taken back, and the key enabled",
    ["key-open", "key-deletion-overdue"],
    { target: "deleted", description: { state: "Enabled" } },
  ],
  [
    "a deletion due for more than a day",
    ["key-deletion-overdue"],
    { target: "deleted", record: { state: "offboarding" }, description: { state: "Disabled" } },
  ],
  [
    "a deletion due for an hour",
    [],
    {
      target: "deleted",
      record: { state: "offboarding", offboardedAtMs: NOW_MS - 7 * DAY_MS - HOUR_MS },
      description: { state: "Disabled" },
    },
  ],
  [
    "a deletion approved an hour ago",
    [],
    {
      target: "deleted",
      tenant: { updatedAtMs: NOW_MS - HOUR_MS },
      record: { state: "offboarding" },
      description: { state: "Disabled" },
    },
  ],
  [
    "a destroyed key that is still there",
    ["key-deletion-overdue"],
    { target: "deleted", record: { state: "destroyed" }, description: { state: "Disabled" } },
  ],
  ["a destroyed key", [], { target: "deleted", record: { state: "destroyed" }, key: "absent" }],
  [
    "a destroyed key whose name and role somebody else has",
    [],
    {
      target: "deleted",
      record: { state: "destroyed" },
      key: "absent",
      inspected: { aliasTarget: read(OTHER_KEY_ARN) },
    },
  ],
  ["material that is gone", ["key-pending-import"], { desired: BYOK, description: { state: "PendingImport" } }],
  [
    "material that expired and was recorded so",
    ["key-pending-import"],
    { desired: BYOK, record: { state: "awaiting-material" }, description: { state: "PendingImport" } },
  ],
  [
    "material that was never imported",
    [],
    {
      desired: BYOK,
      record: { state: "awaiting-material", activeAtMs: undefined, updatedAtMs: NOW_MS - HOUR_MS },
      description: { state: "PendingImport" },
    },
  ],
  [
    "a key whose store isn't connected",
    ["key-store-unavailable"],
    { description: { state: "Unavailable" }, desired: HMAC },
  ],
  [
    "a leaving tenant's key whose store isn't connected",
    [],
    { target: "withdrawn", description: { state: "Unavailable" } },
  ],
];

const tagsAndMaterial: readonly Case[] = [
  [
    "a key without its tenant's tag",
    ["key-tags-differ"],
    { key: { tags: read({ ...DESIRED.keyTags(ATTEMPT_ID), "tenantkeys:tenant": "globex" }) } },
  ],
  ["a key without any tag", ["key-tags-differ"], { key: { tags: read({}) } }],
  ["a key that no recorded attempt made", ["key-tags-differ"], { record: { attempts: [] } }],
  [
    "a key of another stage",
    ["stage-mismatch"],
    { key: { tags: read({ ...DESIRED.keyTags(ATTEMPT_ID), "tenantkeys:stage": "prod" }) } },
  ],
  ["a key with a tag of somebody's", [], { key: { tags: read({ ...DESIRED.keyTags(ATTEMPT_ID), team: "blue" }) } }],
  [
    "a predecessor, whose attempt isn't recorded any more",
    [],
    {
      record: { previousKeyArns: [OTHER_KEY_ARN] },
      otherKeys: [{ ...exampleKey(DESIRED, "usable", OTHER_KEY_ARN), tags: read(DESIRED.keyOwnership) }],
    },
  ],
  [
    "material for 30 days",
    ["material-expiring"],
    { desired: BYOK, description: { materialExpiresAtMs: NOW_MS + 30 * DAY_MS } },
  ],
  ["material for 31 days", [], { desired: BYOK, description: { materialExpiresAtMs: NOW_MS + 31 * DAY_MS } }],
  [
    "material for a day, of a tenant that leaves",
    [],
    { desired: BYOK, target: "withdrawn", description: { materialExpiresAtMs: NOW_MS + DAY_MS } },
  ],
];

const rotation: readonly Case[] = [
  ["rotation off", ["rotation-off"], { key: { rotation: read({ enabled: false }) } }],
  [
    "rotation off, of a key that is disabled by hand",
    ["key-disabled", "rotation-off"],
    { description: { state: "Disabled" }, key: { rotation: read({ enabled: false }) } },
  ],
  [
    "rotation off, of a suspended tenant's key",
    [],
    { target: "disabled", key: { rotation: read({ enabled: false }) } },
  ],
  ["rotation off, of a tenant that leaves", [], { target: "withdrawn", key: { rotation: read({ enabled: false }) } }],
  [
    "a key that KMS can't rotate, of a profile that says so",
    ["rotation-off"],
    { description: { origin: "AWS_CLOUDHSM" }, key: { rotation: SKIPPED, rotations: SKIPPED } },
  ],
  ["another period", ["rotation-period-differs"], { key: { rotation: read({ enabled: true, periodDays: 90 }) } }],
  [
    "a date that passed three days ago",
    ["rotation-overdue"],
    { key: { rotation: read({ enabled: true, periodDays: 365, nextRotationAtMs: NOW_MS - 3 * DAY_MS }) } },
  ],
  [
    "a date that passed yesterday",
    [],
    { key: { rotation: read({ enabled: true, periodDays: 365, nextRotationAtMs: NOW_MS - DAY_MS }) } },
  ],
  [
    "a date that passed, of a tenant resumed an hour ago",
    [],
    {
      key: { rotation: read({ enabled: true, periodDays: 365, nextRotationAtMs: NOW_MS - 200 * DAY_MS }) },
      tenant: { suspension: { value: false, generation: 2, eventId: "event-2", atMs: NOW_MS - HOUR_MS } },
    },
  ],
  [
    "a date that passed while the key was disabled by hand",
    ["key-disabled"],
    {
      description: { state: "Disabled" },
      key: { rotation: read({ enabled: true, periodDays: 365, nextRotationAtMs: NOW_MS - 3 * DAY_MS }) },
    },
  ],
  ["20 rotations on request", ["rotation-budget-low"], { key: { rotations: read(rotated(20)) } }],
  ["19 rotations on request", [], { key: { rotations: read(rotated(19)) } }],
  [
    "20 predecessors of a key that is replaced to rotate",
    ["rotation-budget-low"],
    (() => {
      const previousKeyArns = Array.from({ length: PREVIOUS_KEYS_MAX - 5 }, (_, index) =>
        parseKeyArn(`arn:aws:kms:eu-west-1:111122223333:key/previous-${index}`),
      );
      const otherKeys = previousKeyArns.map((keyArn) => exampleKey(HMAC, "usable", keyArn));
      return { desired: HMAC, record: { previousKeyArns }, otherKeys };
    })(),
  ],
];

const alias: readonly Case[] = [
  ["no alias", ["alias-missing"], { inspected: { aliasTarget: read(undefined) } }],
  ["no alias, of a tenant that leaves", [], { target: "withdrawn", inspected: { aliasTarget: read(undefined) } }],
  ["an alias on another key", ["alias-on-another-key"], { inspected: { aliasTarget: read(OTHER_KEY_ARN) } }],
  [
    "an alias on a dying key",
    ["alias-on-dying-key"],
    {
      inspected: { aliasTarget: read(OTHER_KEY_ARN) },
      otherKeys: [],
      input: {
        inspected: {
          ...exampleInput().inspected,
          aliasTarget: read(OTHER_KEY_ARN),
          keys: [exampleKey(DESIRED), exampleKey(DESIRED, "deleted", OTHER_KEY_ARN)],
        },
      },
    },
  ],
  [
    "an alias on a predecessor",
    ["alias-on-another-key"],
    {
      record: { previousKeyArns: [OTHER_KEY_ARN] },
      otherKeys: [exampleKey(DESIRED, "usable", OTHER_KEY_ARN)],
      inspected: { aliasTarget: read(OTHER_KEY_ARN) },
    },
  ],
  [
    "an alias that is being moved from a predecessor",
    [],
    {
      record: { previousKeyArns: [OTHER_KEY_ARN], rotation: { generation: 2, startedAtMs: NOW_MS - MINUTE_MS } },
      otherKeys: [exampleKey(DESIRED, "usable", OTHER_KEY_ARN)],
      inspected: { aliasTarget: read(OTHER_KEY_ARN) },
    },
  ],
];

const keyPolicy: readonly Case[] = [
  ["a policy that is open to everybody", ["key-policy-not-contained"], { key: { policy: read(PUBLIC_POLICY) } }],
  ["a policy that isn't one", ["key-policy-not-contained"], { key: { policy: read("not JSON") } }],
  [
    "a predecessor's that is open to everybody",
    ["key-policy-not-contained"],
    {
      record: { previousKeyArns: [OTHER_KEY_ARN] },
      otherKeys: [{ ...exampleKey(DESIRED, "usable", OTHER_KEY_ARN), policy: read(PUBLIC_POLICY) }],
    },
  ],
  ["a policy without the tenant", ["key-policy-differs"], { key: { policy: read(DESIRED.departingPolicy) } }],
  [
    "a leaving tenant's key that still lets it in",
    ["key-policy-differs"],
    { target: "withdrawn", key: { policy: read(DESIRED.admittedPolicy) } },
  ],
  ["a policy that names a dead role", ["dead-principal"], { key: { policy: read(ORPHANED_POLICY) } }],
  [
    "a dead role and a stranger",
    ["key-policy-not-contained"],
    {
      key: {
        policy: read({ ...ORPHANED_POLICY, Statement: [...ORPHANED_POLICY.Statement, ...PUBLIC_POLICY.Statement] }),
      },
    },
  ],
];

const role: readonly Case[] = [
  [
    "no role, whose id the key policy holds",
    ["role-missing"],
    { role: "absent", key: { policy: read(ORPHANED_POLICY) } },
  ],
  ["a role of that name elsewhere", ["role-missing"], { role: { path: "/" } }],
  ["no role, of a tenant that leaves", [], { target: "withdrawn", role: "absent" }],
  ["another trust policy", ["role-trust-policy-differs"], { role: { trustPolicy: PUBLIC_POLICY } }],
  [
    "a trust policy whose application role is gone",
    ["dead-principal"],
    {
      role: {
        trustPolicy: JSON.parse(
          JSON.stringify(DESIRED.role.trustPolicy).replace(/arn:aws:iam::111122223333:role\/app\/acme-web/, DEAD_ID),
        ),
      },
    },
  ],
  [
    "a trust policy of a stranger and a role that is gone",
    ["role-trust-policy-differs"],
    {
      role: {
        trustPolicy: {
          ...DESIRED.role.trustPolicy,
          Statement: DESIRED.role.trustPolicy.Statement.map((one) => ({
            ...one,
            Principal: { AWS: [DEAD_ID, STRANGER] },
          })),
        },
      },
    },
  ],
  [
    "another inline policy for the key",
    ["role-policy-differs"],
    { role: { inlinePolicies: { "key-default": PUBLIC_POLICY } } },
  ],
  ["no inline policy for the key", ["role-policy-differs"], { role: { inlinePolicies: {} } }],
  [
    "a leaving tenant's role that names the key",
    ["role-policy-differs"],
    { target: "withdrawn", role: { inlinePolicies: { "key-default": DESIRED.rolePolicy(KEY_ARN) } } },
  ],
  ["a suspended tenant's role that names a key of its own", ["role-policy-differs"], ownKey({ target: "disabled" })],
  [
    "a role left from before tenants shared one",
    ["role-policy-differs"],
    {
      desired: SHARED_ROLE,
      inspected: { role: read(exampleRole(SHARED_ROLE, SHARED_ROLE.rolePolicy(KEY_ARN))) },
    },
  ],
  [
    "an attached policy",
    ["role-policy-foreign"],
    { role: { attachedPolicyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"] } },
  ],
  ["a policy of its owner's for data", [], { role: { inlinePolicies: { ...OUR_POLICY, data: DATA_POLICY } } }],
  ["a managed policy of its owner's", [], { role: { attachedPolicyArns: ["arn:aws:iam::111122223333:policy/notes"] } }],
  ...[
    { ...DATA_POLICY.Statement[0], Action: "kms:Decrypt" },
    { ...DATA_POLICY.Statement[0], Action: ["s3:GetObject", "s3:*"] },
    { Effect: "Allow", NotAction: "iam:*", Resource: "*" },
    "no statement",
  ].map(
    (statement): Case => [
      `an inline policy with ${JSON.stringify(statement)}`,
      ["role-policy-foreign"],
      { role: { inlinePolicies: { ...OUR_POLICY, data: { ...DATA_POLICY, Statement: [statement] } } } },
    ],
  ),
  ["an inline policy that can't be seen", ["role-policy-foreign"], { role: { policyNames: ["key-default", "extra"] } }],
  ["a policy of another key's name", [], { role: { policyNames: ["key-default", "key-payroll"] } }],
  [
    "a policy of a key that the tenant doesn't have",
    ["role-policy-foreign"],
    {
      role: { policyNames: ["key-default", "key-payroll"] },
      input: { tenantKeys: [{ keyName: DESIRED.keyName, state: "active" }] },
    },
  ],
  ["no boundary", ["role-boundary-differs"], { role: { boundaryArn: undefined } }],
  ["no tags", ["role-tags-differ"], { role: { tags: {} } }],
  ["another stage's tag", ["stage-mismatch"], { role: { tags: { ...DESIRED.role.tags, "tenantkeys:stage": "prod" } } }],
];

const grants: readonly Case[] = [
  ["a grant to a stranger", ["grant-foreign"], { key: { grants: read([GRANT]) } }],
  ["a service's grant that no profile allows", ["grant-foreign"], { key: { grants: read([SERVICE_GRANT]) } }],
  ["a service's grant that its profile allows", [], { desired: SERVICES, key: { grants: read([SERVICE_GRANT]) } }],
  [
    "a grant of EC2's own sessions",
    [],
    {
      desired: SERVICES,
      key: {
        grants: read([
          { ...GRANT, granteePrincipal: "arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-1" },
        ]),
      },
    },
  ],
  [
    "a grant to a user whose path looks like a service's session",
    ["grant-foreign"],
    {
      desired: SERVICES,
      key: {
        grants: read([{ ...GRANT, granteePrincipal: "arn:aws:iam::111122223333:user/x:assumed-role/aws:ec2/me" }]),
      },
    },
  ],
  [
    "a stranger's grant beside services'",
    ["grant-foreign"],
    { desired: SERVICES, key: { grants: read([SERVICE_GRANT, GRANT]) } },
  ],
  [
    "a service's grant from another account",
    ["grant-foreign"],
    { desired: SERVICES, key: { grants: read([{ ...SERVICE_GRANT, issuingAccount: "444455556666" }]) } },
  ],
  [
    "a service's grant that outlived its tenant",
    ["grant-stale"],
    { desired: SERVICES, target: "withdrawn", key: { grants: read([SERVICE_GRANT]) } },
  ],
  [
    "a grant to a role that is gone",
    ["grant-stale"],
    { key: { grants: read([{ ...GRANT, granteePrincipal: DEAD_ID }]) } },
  ],
  ["a job's grant", [], jobs()],
  [
    "a job's grant in session-tag mode",
    [],
    jobs({}, { desired: exampleDesired(JOBS.profile, { roleMode: "session-tag" }) }),
  ],
  ["a suspended tenant's job", [], jobs({}, { target: "disabled" })],
  ["a job's grant that is over now", ["grant-stale"], jobs({ name: jobGrantName(NOW_MS, "nightly-7") })],
  ["a job's grant whose tenant leaves", ["grant-stale"], jobs({}, { target: "withdrawn" })],
  ["a job whose role is gone", ["grant-stale"], jobs({ granteePrincipal: DEAD_ID })],
  [
    "a job's grant of just the longest time, by a clock that is a little ahead",
    [],
    jobs({ createdAtMs: NOW_MS, name: jobGrantName(NOW_MS + 48 * HOUR_MS + 5 * MINUTE_MS, "nightly-7") }),
  ],
  [
    "a job's grant for longer than its profile says",
    ["grant-foreign"],
    jobs({ createdAtMs: NOW_MS, name: jobGrantName(NOW_MS + 48 * HOUR_MS + 5 * MINUTE_MS + 1, "nightly-7") }),
  ],
  ["a job's grant without an end", ["grant-foreign"], jobs({ name: "nightly-7" })],
  ["a job's grant that has no name", ["grant-foreign"], { desired: JOBS, key: { grants: read([unnamed(JOB_GRANT)]) } }],
  ["a job's grant to somebody who is no job", ["grant-foreign"], jobs({ granteePrincipal: STRANGER })],
  [
    "the same once it is over",
    ["grant-foreign"],
    jobs({ granteePrincipal: STRANGER, name: jobGrantName(NOW_MS, "x") }),
  ],
  ["a job's grant of a profile without jobs", ["grant-foreign"], jobs({}, { desired: DESIRED })],
  ["a job that may do more than its tenant", ["grant-foreign"], jobs({ operations: ["Decrypt", "Encrypt"] })],
  ["a job that may lend the key on", ["grant-foreign"], jobs({ operations: ["Decrypt", "CreateGrant"] })],
  [
    "a job's grant for another tenant's data",
    ["grant-foreign"],
    jobs({ encryptionContext: { tenant: "globex", keyName: "default", stage: "dev" } }),
  ],
  ["a job's grant for any data", ["grant-foreign"], { desired: JOBS, key: { grants: read([unbound(JOB_GRANT)]) } }],
  ["a job's grant from another account", ["grant-foreign"], jobs({ issuingAccount: "444455556666" })],
];

const replicas: readonly Case[] = [
  ["a replica that isn't there", ["replica-missing"], replicated("absent", read(undefined))],
  ["a Region that wasn't looked at", ["could-not-verify"], replicated("not-inspected")],
  [
    "a disabled replica",
    ["replica-differs"],
    replicated({
      description: read({ state: "Disabled", origin: "AWS_KMS", keySpec: "SYMMETRIC_DEFAULT", createdAtMs: 0 }),
    }),
  ],
  [
    "a replica without alias, tags and tenant",
    ["replica-differs"],
    replicated({ tags: read({}), policy: read(REPLICATED.departingPolicy) }, read(undefined)),
  ],
  ["a replica whose alias leads elsewhere", ["alias-on-another-key"], replicated({}, read(OTHER_KEY_ARN))],
  ["a replica that is open to everybody", ["key-policy-not-contained"], replicated({ policy: read(PUBLIC_POLICY) })],
  ["a replica with a stranger's grant", ["grant-foreign"], replicated({ grants: read([GRANT]) })],
  [
    "a suspended tenant's replica that is enabled",
    ["key-open"],
    replicated(
      { description: read({ state: "Enabled", origin: "AWS_KMS", keySpec: "SYMMETRIC_DEFAULT", createdAtMs: 0 }) },
      undefined,
      { target: "disabled" },
    ),
  ],
  [
    "an intended deletion, told once",
    ["key-pending-deletion-intended"],
    replicated({}, undefined, { target: "deleted" }),
  ],
];

const record: readonly Case[] = [
  [
    "provisioning for two days",
    ["record-stuck"],
    { record: { state: "provisioning", keyArn: undefined, updatedAtMs: NOW_MS - 2 * DAY_MS }, role: "absent" },
  ],
  [
    "failed for two days",
    ["record-stuck"],
    { record: { state: "failed", keyArn: undefined, updatedAtMs: NOW_MS - 2 * DAY_MS }, role: "absent" },
  ],
  [
    "provisioning for an hour",
    [],
    { record: { state: "provisioning", keyArn: undefined, updatedAtMs: NOW_MS - HOUR_MS }, role: "absent" },
  ],
  [
    "a key that failed half way and is open to everybody",
    ["key-policy-not-contained"],
    { record: { state: "failed", updatedAtMs: NOW_MS - HOUR_MS }, key: { policy: read(PUBLIC_POLICY) } },
  ],
  [
    "material awaited for two days",
    ["record-stuck"],
    {
      desired: BYOK,
      record: { state: "awaiting-material", activeAtMs: undefined, updatedAtMs: NOW_MS - 2 * DAY_MS },
      description: { state: "PendingImport" },
    },
  ],
  [
    "an end that nobody recorded",
    ["record-stuck"],
    { target: "deleted", key: "absent", record: { nextCheckAtMs: NOW_MS - 2 * DAY_MS } },
  ],
  [
    "an end whose review fails every day",
    ["record-stuck"],
    {
      target: "deleted",
      key: "absent",
      record: { deletionDateMs: NOW_MS - 5 * DAY_MS, nextCheckAtMs: NOW_MS + HOUR_MS },
    },
  ],
  [
    "an end of yesterday, which KMS has a day for and the schedule another",
    [],
    {
      target: "deleted",
      key: "absent",
      record: { deletionDateMs: NOW_MS - DAY_MS, nextCheckAtMs: NOW_MS + HOUR_MS },
    },
  ],
  [
    "an approval awaited for a month",
    [],
    { target: "withdrawn", record: { waitingFor: "approval", updatedAtMs: NOW_MS - 30 * DAY_MS } },
  ],
];

describe.each([
  ["in order", inOrder],
  ["state", keyState],
  ["tags and material", tagsAndMaterial],
  ["rotation", rotation],
  ["alias", alias],
  ["key policy", keyPolicy],
  ["role", role],
  ["grants", grants],
  ["replicas", replicas],
  ["record", record],
])("%s", (_, cases) => {
  it.each(cases)("finds on %s: %j", (_name, expected, changes) => {
    expect(rulesFound(changes)).toEqual(expected);
  });
});

test("every rule of a tenant key is found by a case and not found by another", () => {
  const all = [
    ...inOrder,
    ...keyState,
    ...tagsAndMaterial,
    ...rotation,
    ...alias,
    ...keyPolicy,
    ...role,
    ...grants,
    ...replicas,
    ...record,
  ];
  expect(new Set(all.flatMap(([, rules]) => rules))).toEqual(new Set(TENANT_KEY_RULES));
});

test("a rule is either a tenant key's or is judged elsewhere", () => {
  const others = RULE_IDS.filter((ruleId) => !TENANT_KEY_RULES.includes(ruleId));
  expect(others).toEqual([
    "orphan-key",
    "orphan-alias",
    "orphan-role",
    "public-access",
    "unusual-use",
    "canary-breach",
    "sweep-overdue",
    "sweep-incomplete",
    "region-not-covered",
  ]);
});

test.each([
  [30, "low"],
  [8, "low"],
  [7, "medium"],
  [2, "medium"],
  [1, "high"],
  [-1, "high"],
])("material that ends in %i days matters %s", (days, severity) => {
  const changes = { desired: BYOK, description: { materialExpiresAtMs: NOW_MS + days * DAY_MS } };
  expect(verifyTenantKey(exampleInput(changes)).findings).toMatchObject([{ ruleId: "material-expiring", severity }]);
});

test("a finding names resource, tenant, key, what should be and what is", () => {
  const [finding] = verifyTenantKey(exampleInput({ target: "deleted" })).findings;
  expect(finding).toEqual({
    ruleId: "key-pending-deletion-intended",
    severity: "information",
    tenantId: "acme",
    keyName: "default",
    resource: KEY_ARN,
    expected: "scheduled for deletion, as its tenant was offboarded",
    seen: "PendingDeletion: deleted on 2026-12-06, 12 days left",
  });
});

test("a job's grant that shouldn't be is told with its job and end, beside what the profile allows", () => {
  const over = jobs({ name: jobGrantName(NOW_MS - HOUR_MS, "nightly-7") });
  expect(verifyTenantKey(exampleInput(over)).findings).toMatchObject([
    {
      expected: "grants to its jobs for its tenant's data, that end within 48 hours only",
      seen: `grant-1 to ${JOB} for job nightly-7 until 2026-11-23T23:00:00.000Z: Decrypt, DescribeKey, RetireGrant`,
    },
  ]);
});

test("the texts of a finding are short, however many grants a key has", () => {
  const many = Array.from({ length: 500 }, (_, index) => ({
    ...GRANT,
    grantId: `grant-${index}`,
    granteePrincipal: `${STRANGER}${"x".repeat(300)}`,
  }));
  const [finding] = verifyTenantKey(exampleInput({ key: { grants: read(many) } })).findings;
  expect(finding?.seen.length).toBeLessThanOrEqual(1000);
  expect(
    verifyTenantKey(exampleInput({ key: { grants: read([GRANT, GRANT, GRANT, GRANT, GRANT, GRANT]) } })).findings[0]
      ?.seen,
  ).toMatch(/; and 1 more$/);
});

describe("a dead principal hides no living one", () => {
  const beside = (principal: unknown, changes: object = {}) => {
    const statement = { Effect: "Allow", Principal: principal, Action: "kms:Decrypt", Resource: "*", ...changes };
    const policy = { ...DESIRED.admittedPolicy, Statement: [...DESIRED.admittedPolicy.Statement, statement] };
    return rulesFound({ key: { policy: read(policy) } });
  };

  it.each([
    [{ AWS: [DEAD_ID, STRANGER] }],
    [{ AWS: DEAD_ID, Service: "s3.amazonaws.com" }],
    [{ AWS: [DEAD_ID, { odd: true }] }],
    [{ AWS: [DEAD_ID, "*"] }],
  ])("in %j", (principal) => {
    expect(beside(principal)).toEqual(["key-policy-not-contained"]);
  });

  it("where the dead one is left out by name", () => {
    expect(beside(undefined, { NotPrincipal: { AWS: DEAD_ID } })).toEqual(["key-policy-not-contained"]);
  });

  it("and alone lets nobody in", () => {
    expect(beside({ AWS: DEAD_ID })).toEqual(["dead-principal"]);
  });
});

describe("reads that weren't made", () => {
  const unread = (changes: Changes) => {
    const { findings, unjudged } = verifyTenantKey(exampleInput(changes));
    return { found: findings.map(({ ruleId, resource, seen }) => [ruleId, resource, seen]), unjudged };
  };

  it("names the refused operation and judges everything else", () => {
    expect(unread({ key: { policy: denied("kms:GetKeyPolicy"), rotation: read({ enabled: false }) } })).toEqual({
      found: [
        ["rotation-off", KEY_ARN, "rotation is off"],
        ["could-not-verify", KEY_ARN, "kms:GetKeyPolicy denied: AccessDeniedException"],
      ],
      unjudged: ["key-policy-not-contained", "key-policy-differs", "dead-principal"],
    });
  });

  it("gathers what was refused of one key in one finding", () => {
    const key = {
      policy: denied("kms:GetKeyPolicy"),
      grants: denied("kms:ListGrants"),
      rotations: { kind: "failed", operation: "kms:ListKeyRotations", reason: "TimeoutError" } as const,
    };
    const { found, unjudged } = unread({ key });
    expect(found).toEqual([
      [
        "could-not-verify",
        KEY_ARN,
        "kms:GetKeyPolicy denied: AccessDeniedException; kms:ListGrants denied: AccessDeniedException; kms:ListKeyRotations failed: TimeoutError",
      ],
    ]);
    expect(unjudged).toEqual([
      "rotation-overdue",
      "rotation-budget-low",
      "key-policy-not-contained",
      "key-policy-differs",
      "dead-principal",
      "grant-foreign",
      "grant-stale",
    ]);
  });

  it("leaves grants and rotations unjudged that weren't read this time, without a finding", () => {
    expect(unread({ key: { grants: SKIPPED, rotations: SKIPPED } })).toEqual({
      found: [],
      unjudged: ["rotation-overdue", "rotation-budget-low", "grant-foreign", "grant-stale", "could-not-verify"],
    });
  });

  it("judges a missed date without the list of rotations", () => {
    const rotation = read({ enabled: true, periodDays: 365, nextRotationAtMs: NOW_MS - 3 * DAY_MS });
    expect(unread({ key: { rotation, rotations: SKIPPED } }).found).toMatchObject([
      ["rotation-overdue", KEY_ARN, "its next rotation is still that of 2026-11-21"],
    ]);
  });

  it("judges no state, rotation or material of a key that can't be described", () => {
    const { found, unjudged } = unread({ key: { description: denied("kms:DescribeKey") } });
    expect(found).toEqual([["could-not-verify", KEY_ARN, "kms:DescribeKey denied: AccessDeniedException"]]);
    expect(unjudged).toEqual(
      expect.arrayContaining(["key-missing", "key-disabled", "rotation-off", "rotation-overdue", "material-expiring"]),
    );
    expect(unjudged).not.toContain("key-policy-differs");
  });

  it("judges neither role nor alias that can't be read", () => {
    const { found, unjudged } = unread({
      inspected: { role: denied("iam:GetRole"), aliasTarget: denied("kms:ListAliases") },
    });
    expect(found.map((one) => one.slice(0, 2))).toEqual([
      ["could-not-verify", "arn:aws:kms:eu-west-1:111122223333:alias/tenantkeys/dev/acme/default"],
      ["could-not-verify", "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme"],
    ]);
    expect(unjudged).toEqual(expect.arrayContaining(["alias-missing", "role-missing", "role-trust-policy-differs"]));
  });

  it("takes a recorded key that wasn't inspected for one that couldn't be verified", () => {
    const found = rulesFound({ input: { inspected: { ...exampleInput().inspected, keys: [] } } });
    expect(found).toEqual(["could-not-verify"]);
  });

  it("asks a key of the tenant's own account for its description only", () => {
    const everything = {
      policy: denied("x"),
      tags: denied("x"),
      rotation: denied("x"),
      rotations: denied("x"),
      grants: denied("x"),
    };
    expect(rulesFound(ownKey({ key: everything }))).toEqual([]);
    expect(rulesFound(ownKey({ key: { description: denied("kms:DescribeKey") } }))).toEqual(["could-not-verify"]);
  });

  it("says nothing of a refusal on a stranger's key that the alias leads to", () => {
    const stranger = {
      ...exampleKey(DESIRED, "usable", OTHER_KEY_ARN),
      description: denied("kms:DescribeKey"),
      policy: denied("kms:GetKeyPolicy"),
    };
    expect(
      rulesFound({
        otherKeys: [stranger],
        inspected: { keys: [exampleKey(DESIRED), stranger], aliasTarget: read(OTHER_KEY_ARN) },
      }),
    ).toEqual(["alias-on-another-key"]);
  });
});

describe("work that is under way", () => {
  const open: Changes = { target: "disabled", description: { state: "Enabled" }, record: { state: "active" } };

  it("judges nothing of a key that a worker holds", () => {
    const verdict = verifyTenantKey(
      exampleInput({ key: { policy: read(PUBLIC_POLICY) }, record: { leaseUntilMs: NOW_MS + 1 } }),
    );
    expect(verdict.findings).toEqual([]);
    expect(verdict.unjudged).toEqual(RULE_IDS.filter((ruleId) => TENANT_KEY_RULES.includes(ruleId)));
  });

  it("gives a declaration a quarter of an hour", () => {
    const declared = (minutes: number) =>
      rulesFound({ ...open, tenant: { updatedAtMs: NOW_MS - minutes * MINUTE_MS } });
    expect(declared(15)).toEqual([]);
    expect(declared(16)).toEqual(["key-open"]);
  });

  it("gives none to a key that was already as declared", () => {
    const lately = { updatedAtMs: NOW_MS - MINUTE_MS };
    expect(rulesFound({ ...open, record: { state: "suspended" }, tenant: lately })).toEqual(["key-open"]);
  });

  it("gives one to the resumption of a suspension that was refused half way", () => {
    const halfWay = (minutes: number) =>
      rulesFound({
        description: { state: "Disabled" },
        record: { disablingSinceMs: NOW_MS - HOUR_MS },
        tenant: { updatedAtMs: NOW_MS - minutes * MINUTE_MS },
      });
    expect(halfWay(15)).toEqual([]);
    expect(halfWay(16)).toEqual(["key-disabled"]);
  });

  it("says nothing of a key's state between two", () => {
    const { findings, unjudged } = verifyTenantKey(exampleInput({ description: { state: "Updating" } }));
    expect(findings).toEqual([]);
    expect(unjudged).toContain("key-disabled");
  });
});

describe("a role that several keys share", () => {
  const tenantKeys = (...names: string[]) =>
    names.map((name) => ({ keyName: parseKeyName(name), state: "active" as const }));
  const broken = { role: { trustPolicy: PUBLIC_POLICY, inlinePolicies: {} } };

  it("is told of by the first of them, and each tells of its own policy", () => {
    const names = (keys: Changes["input"]) => rulesFound({ ...broken, input: keys ?? {} });
    expect(names({ tenantKeys: tenantKeys("default", "payroll") })).toEqual([
      "role-trust-policy-differs",
      "role-policy-differs",
    ]);
    expect(names({ tenantKeys: tenantKeys("archive", "default") })).toEqual(["role-policy-differs"]);
  });

  it("isn't told of as missing by the others", () => {
    expect(rulesFound({ role: "absent", input: { tenantKeys: tenantKeys("archive", "default") } })).toEqual([]);
    expect(
      rulesFound({
        role: "absent",
        input: { tenantKeys: [{ keyName: parseKeyName("archive"), state: "failed" }, ...tenantKeys("default")] },
      }),
    ).toEqual(["role-missing"]);
  });

  it("is named as it is where another stands in its place", () => {
    const [finding] = verifyTenantKey(exampleInput({ role: { path: "/", arn: parseRoleArn(STRANGER) } })).findings;
    expect(finding?.seen).toBe(`a role of that name, ${STRANGER}`);
  });
});

describe("a replica whose grants have their turn in another sweep", () => {
  const unjudgedOf = (replica: Parameters<typeof replicated>[0]) =>
    verifyTenantKey(exampleInput(replicated(replica))).unjudged;

  it("is judged all the same: what was put right of it closes now", () => {
    const unjudged = unjudgedOf({ grants: SKIPPED });
    expect(unjudged).toContain("grant-foreign");
    expect(unjudged).not.toContain("replica-differs");
    expect(unjudged).not.toContain("replica-missing");
  });

  it("isn't judged where its policy can't be read", () => {
    const unjudged = unjudgedOf({ grants: SKIPPED, policy: denied("kms:GetKeyPolicy") });
    expect(unjudged).toEqual(expect.arrayContaining(["replica-differs", "replica-missing"]));
  });
});
