/**
 * Which uses of a tenant's key are unusual: by another principal than the tenant's, from another place than its profile
 * says, or more often. A use that AWS refused counts as well: who tried another tenant's key is worth knowing.
 */
import { isCanaryTenant } from "../canary.ts";
import { type AccountId, type KeyArn, type KeyName, type Region, regionOfKey, type TenantId } from "../ids.ts";
import type { KeyProfile } from "../key-profile.ts";
import { tenantOfRole, tenantRoleArn } from "../names.ts";
import { type StageContext, tenantPrincipalArn } from "../stage-context.ts";
import { type Finding, finding } from "./finding.ts";
import { KEY_USE_CALLS } from "./guard-pattern.ts";
import { isSessionOfService } from "./rules/principals.ts";
import type { KmsCaller, KmsEvent } from "./touched-key.ts";

export function isKeyUse({ operation }: Pick<KmsEvent, "operation">): boolean {
  return (KEY_USE_CALLS as readonly string[]).includes(operation);
}

/**
 * - `other-tenant`, `principal`: used by another tenant's role, or by somebody else who isn't the tenant
 * - `other-tenant-refused`, `principal-refused`: the same, and AWS refused it
 * - `refused`: AWS refused it to the role that all tenants share, so that the session was perhaps another tenant's
 * - `address`, `region`: used by the right one, from elsewhere · `frequency`: used more often
 */
export type UnusualUseKind =
  | "other-tenant"
  | "other-tenant-refused"
  | "principal"
  | "principal-refused"
  | "refused"
  | "address"
  | "region"
  | "frequency";

/** Whose key was used, and what its use should look like. */
export interface ExpectedUse {
  readonly context: StageContext;
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly profile: KeyProfile;
  /** Its offboarding has begun: the tenant's own application may not have stopped, and is refused. */
  readonly shutOut: boolean;
  /** Whether an IP address lies in any of these blocks. */
  readonly isInside: (address: string, cidrs: readonly string[]) => boolean;
}

/** Everything that one use shows by itself. How often the key is used takes a count: `tooManyUses`. */
export function unusualUses(event: KmsEvent, keyArn: KeyArn, expected: ExpectedUse): readonly Finding[] {
  const principal = principalKind(event, expected);
  const say = (kind: UnusualUseKind, what: string) => unusualUse(expected, keyArn, kind, what, describeUse(event));
  const byStranger = principal === undefined ? [] : [say(principal, expectedPrincipals(expected))];
  // Whoever is refused a key of the canary's is the canary: only a use that succeeded says anything.
  if (isCanaryTenant(expected.tenantId)) return isDenied(event) ? [] : byStranger;
  return [
    byStranger,
    isUsualAddress(event.sourceAddress, expected) ? [] : say("address", expectedAddresses(expected.profile)),
    isUsualRegion(event.region, keyArn) ? [] : say("region", `uses in the key's own Region, ${regionOfKey(keyArn)}`),
  ].flat();
}

/** @param uses in the minute of this use, this one among them */
export function tooManyUses(event: KmsEvent, keyArn: KeyArn, expected: ExpectedUse, uses: number): Finding | undefined {
  const { usesPerMinuteMax } = expected.profile;
  if (usesPerMinuteMax === undefined || isCanaryTenant(expected.tenantId) || uses <= usesPerMinuteMax) return undefined;
  const seen = `${uses} or more calls in the minute of ${new Date(event.atMs).toISOString().slice(0, 16)}Z; one of them: ${describeUse(event)}`;
  return unusualUse(expected, keyArn, "frequency", `at most ${usesPerMinuteMax} calls a minute`, seen);
}

/**
 * A refused use whose key CloudTrail doesn't name, as KMS doesn't tell it to who may not use it: all that is known is whose
 * role it was. Undefined where the role is no tenant's own, or of one of the canary's.
 */
export function refusedUse(event: KmsEvent, { accountId, stage }: StageContext): Finding | undefined {
  const { roleArn } = event.caller;
  if (!isDenied(event) || roleArn === undefined) return undefined;
  const tenantId = tenantOfRole(accountId, stage, roleArn);
  if (tenantId === undefined || isCanaryTenant(tenantId)) return undefined;
  return finding("unusual-use", {
    tenantId,
    resource: `${roleArn}#refused`,
    expected: "uses of the tenant's own keys, which AWS allows",
    seen: `${describeUse(event)}, of a key that AWS doesn't name`,
  });
}

function unusualUse(
  { tenantId, keyName }: ExpectedUse,
  keyArn: KeyArn,
  kind: UnusualUseKind,
  expected: string,
  seen: string,
): Finding {
  const about = { tenantId, keyName, resource: `${keyArn}#${kind}`, expected, seen };
  // Its policy lets nobody else in: that a stranger used it means that it isn't contained.
  const severity = kind === "other-tenant" || kind === "principal" ? "critical" : undefined;
  return finding("unusual-use", about, severity);
}

function principalKind(event: KmsEvent, expected: ExpectedUse): UnusualUseKind | undefined {
  const { context, tenantId } = expected;
  const { caller } = event;
  const denied = isDenied(event);
  if (isSessionOf(caller, tenantRoleArn(context.accountId, context.stage, tenantId))) return undefined;
  if (isSessionOf(caller, tenantPrincipalArn(context, tenantId))) {
    return denied && !expected.shutOut ? "refused" : undefined;
  }
  if (isDeclaredOutsider(caller, expected.profile)) return undefined;
  // Which grants jobs have, and whether they are as they should be, is verification's to judge.
  if (!denied && expected.profile.jobRoleArns.some((jobRoleArn) => isSessionOf(caller, jobRoleArn))) return undefined;
  const isOtherTenant = tenantOfRole(context.accountId, context.stage, caller.roleArn ?? "") !== undefined;
  if (isOtherTenant) return denied ? "other-tenant-refused" : "other-tenant";
  return denied ? "principal-refused" : "principal";
}

/** `AccessDenied`, and `AccessDeniedException` as newer entries have it. */
export function isDenied({ errorCode }: Pick<KmsEvent, "errorCode">): boolean {
  return errorCode?.startsWith("AccessDenied") === true;
}

/**
 * By the role that CloudTrail says issued the session, or by the session's own ARN where it says none: that one has the
 * role's name without its path, and names of roles are unique in an account.
 */
export function isSessionOf({ arn, roleArn: issuer }: KmsCaller, roleArn: string): boolean {
  if (issuer !== undefined) return issuer === roleArn;
  const [, partition, , , accountId] = roleArn.split(":");
  const name = roleArn.slice(roleArn.lastIndexOf("/") + 1);
  return arn?.startsWith(`arn:${partition}:sts::${accountId}:assumed-role/${name}/`) === true;
}

/** An outside account as a whole, or an AWS service that a grant lets in where the profile has such grants. */
function isDeclaredOutsider({ type, arn, accountId }: KmsCaller, profile: KeyProfile): boolean {
  if (profile.outsideAccounts.includes(accountId as AccountId)) return true;
  const isService = type === "AWSService" || (arn !== undefined && isSessionOfService(arn));
  return isService && profile.serviceGrants;
}

const SERVICE_SUFFIX = ".amazonaws.com";

/** AWS has the name of the calling service in place of an address, or says that it was one: `AWS Internal`. */
function isUsualAddress(address: string | undefined, { profile, isInside }: ExpectedUse): boolean {
  const { useSourceCidrs, viaServices } = profile;
  if (address === undefined || address === "AWS Internal") return true;
  if (address.endsWith(SERVICE_SUFFIX)) {
    return viaServices.length === 0 || viaServices.includes(address.split(".")[0] ?? "");
  }
  return useSourceCidrs.length === 0 || isInside(address, useSourceCidrs);
}

/** A replica is a key of its own Region, with an ARN of its own. */
function isUsualRegion(region: Region, keyArn: KeyArn): boolean {
  return region === regionOfKey(keyArn);
}

function expectedPrincipals({ context, tenantId, profile }: ExpectedUse): string {
  const outsiders = profile.outsideAccounts.map((account) => `account ${account}`);
  const jobs = profile.jobRoleArns.map((jobRoleArn) => `${jobRoleArn} by a grant`);
  return `uses by ${[tenantPrincipalArn(context, tenantId), ...outsiders, ...jobs].join(", ")}`;
}

function expectedAddresses({ useSourceCidrs, viaServices }: KeyProfile): string {
  const services = viaServices.map((service) => `${service}${SERVICE_SUFFIX}`);
  return `uses from ${[...useSourceCidrs, ...services].join(", ")}`;
}

function describeUse({ operation, caller, sourceAddress, region, atMs, errorCode }: KmsEvent): string {
  const who = caller.arn ?? caller.roleArn ?? caller.invokedBy ?? caller.accountId ?? "somebody unnamed";
  const refused = errorCode === undefined ? "" : `, refused with ${errorCode}`;
  return `${operation} by ${who} from ${sourceAddress ?? "somewhere unnamed"} in ${region} at ${new Date(atMs).toISOString()}${refused}`;
}
