/**
 * How a key may be called: every action on a key, and under which circumstances. A caller chooses its encryption context
 * and its way, so each is tried with all of them.
 * https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
 */
import {
  ADMINISTER_ACTIONS,
  AUDIT_ACTIONS,
  CRYPTOGRAPHIC_ACTIONS,
  EVERY_USE_ACTION,
  type KeyAudience,
  RECOVER_ACTIONS,
  SERVICE_GRANT_ACTIONS,
} from "@tenantkeys/core";
import type { ConditionKeys } from "./engine.ts";

/** What nobody of ours may do, so no set of core's has it. */
const NOBODYS_ACTIONS = [
  "kms:DeleteAlias",
  "kms:DeleteImportedKeyMaterial",
  "kms:DisableKeyRotation",
  "kms:RetireGrant",
  "kms:ScheduleKeyDeletion",
  "kms:UntagResource",
  "kms:UpdateKeyDescription",
  "kms:UpdatePrimaryRegion",
] as const;

/** Every action that a key's policy can allow and that does something, or tells more than that the key is there. */
export const KEY_ACTIONS: readonly string[] = [
  ...new Set<string>([
    ...CRYPTOGRAPHIC_ACTIONS,
    ...EVERY_USE_ACTION,
    ...SERVICE_GRANT_ACTIONS,
    ...ADMINISTER_ACTIONS,
    ...AUDIT_ACTIONS,
    ...RECOVER_ACTIONS,
    ...NOBODYS_ACTIONS,
  ]),
];

export interface Circumstances {
  readonly name: string;
  /** The `tenant` of the encryption context; undefined: none is sent. */
  readonly contextTenant: string | undefined;
  /** The service that calls for its caller, such as `s3.eu-west-1.amazonaws.com`; undefined: a direct call. */
  readonly viaService: string | undefined;
  /** What CreateGrant asks for; undefined: a grant that only decrypts, to nobody in particular. */
  readonly grant?: RequestedGrant;
}

interface RequestedGrant {
  readonly grantee: string;
  readonly operations: readonly string[];
  readonly retiring: string;
}

export const JOB_ROLE = "arn:aws:iam::111122223333:role/jobs/nightly";

/** The circumstances under which a request of this action differs for AWS. */
export function circumstancesOf({ profile, principalArn }: KeyAudience, action: string): readonly Circumstances[] {
  const service = profile.viaServices[0] ?? "s3";
  const every: readonly Circumstances[] = [
    { name: "directly", contextTenant: undefined, viaService: undefined },
    { name: "directly, with the tenant's context", contextTenant: "acme", viaService: undefined },
    { name: "directly, with another tenant's context", contextTenant: "globex", viaService: undefined },
    { name: "through a service", contextTenant: "acme", viaService: `${service}.eu-west-1.amazonaws.com` },
    { name: "through another service", contextTenant: "acme", viaService: "workmail.eu-west-1.amazonaws.com" },
    { name: "through the service elsewhere", contextTenant: "acme", viaService: `${service}.us-east-1.amazonaws.com` },
  ];
  if (action === "kms:CreateGrant") return [...every, ...grantsToJobs(principalArn)];
  if (CARRIES_CONTEXT.test(action)) return every;
  const ways = every.filter(({ name }) => !name.endsWith("context"));
  return isMeantThroughServices(action) ? ways : ways.slice(0, 2);
}

/** A grant as a job is lent one, and the same with one thing wrong each. */
function grantsToJobs(tenantRole: string): readonly Circumstances[] {
  const grant = { grantee: JOB_ROLE, operations: ["Decrypt", "RetireGrant"], retiring: tenantRole };
  const toJob = { contextTenant: "acme", viaService: undefined, grant };
  return [
    { ...toJob, name: "to a job" },
    { ...toJob, name: "to a job, bound to another tenant", contextTenant: "globex" },
    { ...toJob, name: "to a job, bound to nothing", contextTenant: undefined },
    { ...toJob, name: "to a job that may lend it on", grant: { ...grant, operations: ["Decrypt", "CreateGrant"] } },
    { ...toJob, name: "to a job that encrypts", grant: { ...grant, operations: ["Encrypt"] } },
    { ...toJob, name: "to somebody else", grant: { ...grant, grantee: "arn:aws:iam::111122223333:role/AnyRole" } },
    { ...toJob, name: "to a job, retired by itself", grant: { ...grant, retiring: JOB_ROLE } },
  ];
}

/** Whether a profile may bind it to services: of the others one service is like another. */
function isMeantThroughServices(action: string): boolean {
  return [...EVERY_USE_ACTION, ...SERVICE_GRANT_ACTIONS].includes(action);
}

const CARRIES_CONTEXT =
  /^kms:(CreateGrant|Decrypt|Encrypt|GenerateDataKey|GenerateDataKeyPair|GenerateDataKeyPairWithoutPlaintext|GenerateDataKeyWithoutPlaintext|ReEncryptFrom|ReEncryptTo|RetireGrant)$/;
const CARRIES_GRANT = /^kms:(CreateGrant|ListGrants|RevokeGrant)$/;

/** The condition keys that AWS sets of a request of this action, beside those of its caller. */
export function requestKeys(action: string, { contextTenant, viaService, grant }: Circumstances): ConditionKeys {
  const sends = CARRIES_CONTEXT.test(action) && contextTenant !== undefined;
  return {
    ...(sends ? { "kms:EncryptionContext:tenant": contextTenant, "kms:EncryptionContextKeys": ["tenant"] } : {}),
    ...(viaService === undefined
      ? { "aws:ViaAWSService": "false" }
      : { "kms:ViaService": viaService, "aws:ViaAWSService": "true", "aws:CalledVia": [serviceName(viaService)] }),
    ...(CARRIES_GRANT.test(action) ? { "kms:GrantIsForAWSResource": String(viaService !== undefined) } : {}),
    ...(action === "kms:CreateGrant" ? grantKeys(grant, contextTenant !== undefined) : {}),
    ...(action === "kms:ScheduleKeyDeletion" ? { "kms:ScheduleKeyDeletionPendingWindowInDays": "30" } : {}),
  };
}

/** `s3.amazonaws.com` of `s3.eu-west-1.amazonaws.com`, as `aws:CalledVia` has it. */
function serviceName(viaService: string): string {
  return `${viaService.split(".")[0]}.amazonaws.com`;
}

function grantKeys(grant: RequestedGrant | undefined, isBound: boolean): ConditionKeys {
  return {
    "kms:GrantOperations": grant?.operations ?? ["Decrypt"],
    ...(isBound ? { "kms:GrantConstraintType": "EncryptionContextSubset" } : {}),
    ...(grant === undefined ? {} : { "kms:GranteePrincipal": grant.grantee, "kms:RetiringPrincipal": grant.retiring }),
  };
}
