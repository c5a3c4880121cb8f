/**
 * The replies that SBT-AWS's control plane (awslabs/sbt-aws) waits for. Its rule sends `$.detail.jobOutput` as a PATCH to
 * the registration that `$.detail.tenantRegistrationId` names; the handler there writes `tenantRegistrationData` into the
 * registration and `tenantData` into the tenant. It ignores everything else, so a status anywhere else is lost.
 */
import type { TenantKeysError } from "../errors.ts";
import type { AliasName, KeyArn, KeyName, RoleArn } from "../ids.ts";
import type { Reply } from "./replies.ts";
import type { TenantEventType } from "./tenant-event.ts";

/** The control plane's default for the `source` of its application plane. */
export const SBT_REPLY_SOURCE = "sbt.application.plane";

export const SBT_REPLY_KINDS = [
  "provisionSuccess",
  "provisionFailure",
  "deprovisionSuccess",
  "deprovisionFailure",
] as const;
export type SbtReplyKind = (typeof SBT_REPLY_KINDS)[number];

export const sbtReplyDetailType = (kind: SbtReplyKind): string => `sbt_aws_${kind}`;

/**
 * The handlers build DynamoDB expressions from the names, so one that is a reserved word of DynamoDB, such as `status`,
 * fails there, and `tenantId` or the registration's own id would be overwritten: ours have a prefix. Texts only: a
 * fraction can't be stored there either.
 */
export type SbtData = Readonly<Partial<Record<`tenantkeys${string}`, string>>>;
export type SbtRegistrationData = SbtData & { readonly registrationStatus: string };

export function sbtReply(
  kind: SbtReplyKind,
  tenantRegistrationId: string,
  tenantData: SbtData,
  tenantRegistrationData: SbtRegistrationData,
  source: string = SBT_REPLY_SOURCE,
): Reply {
  const detail = { tenantRegistrationId, jobOutput: { tenantData, tenantRegistrationData } };
  return { source, detailType: sbtReplyDetailType(kind), detail };
}

interface SbtProvisionedKey {
  readonly keyName: KeyName;
  readonly keyArn: KeyArn;
  readonly aliasName?: AliasName | undefined;
}

/** All keys of the sign-up are there. `keys` goes as JSON text, as SBT-AWS's own jobs hand over what has more than one part. */
export function sbtProvisionedReply(
  tenantRegistrationId: string,
  tenant: { readonly roleArn: RoleArn; readonly keys: readonly SbtProvisionedKey[] },
  source?: string,
): Reply {
  const keys = tenant.keys.map(({ keyName, keyArn, aliasName }) => ({ keyName, keyArn, aliasName }));
  const tenantData = { tenantkeysRoleArn: tenant.roleArn, tenantkeysKeys: JSON.stringify(keys) };
  return sbtReply("provisionSuccess", tenantRegistrationId, tenantData, { registrationStatus: "created" }, source);
}

/** The tenant's keys are destroyed. */
export function sbtDeprovisionedReply(tenantRegistrationId: string, source?: string): Reply {
  return sbtReply("deprovisionSuccess", tenantRegistrationId, {}, { registrationStatus: "deleted" }, source);
}

const FAILURES = {
  TenantSignedUp: { kind: "provisionFailure", registrationStatus: "Failed to provision tenant." },
  TenantOffboarded: { kind: "deprovisionFailure", registrationStatus: "Failed to deprovision tenant." },
} as const;

/** @returns undefined for an event that the control plane waits for no reply to */
export function sbtFailedReply(
  eventType: TenantEventType | undefined,
  tenantRegistrationId: string,
  error: TenantKeysError,
  source?: string,
): Reply | undefined {
  if (eventType !== "TenantSignedUp" && eventType !== "TenantOffboarded") return undefined;
  const { kind, registrationStatus } = FAILURES[eventType];
  const registration = {
    registrationStatus,
    tenantkeysErrorCode: error.code,
    tenantkeysErrorMessage: error.message.slice(0, 2000),
    tenantkeysNextAction: error.nextAction,
  };
  return sbtReply(kind, tenantRegistrationId, {}, registration, source);
}
