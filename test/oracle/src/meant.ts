/**
 * What each caller is meant to be able to do with a key, as docs/security-model.md and docs/settings.md say it in words.
 * It reads no policy, so that it can't repeat a mistake of one.
 */
import {
  ADMINISTER_ACTIONS,
  AUDIT_ACTIONS,
  administerActions,
  DEPART_ACTIONS,
  DESCRIBE_ACTIONS,
  DISCARD_ACTIONS,
  jobGrantOperations,
  type KeyAudience,
  RECOVER_ACTIONS,
  SERVICE_GRANT_ACTIONS,
  useActions,
} from "@tenantkeys/core";
import type { Form } from "./audiences.ts";
import type { CallerKind } from "./callers.ts";
import type { Circumstances } from "./requests.ts";

export interface Attempt {
  readonly kind: CallerKind;
  readonly action: string;
  readonly circumstances: Circumstances;
}

/** The most that any policy of the key may let somebody do, whatever state its tenant is in. */
export function isMeantAtMost(audience: KeyAudience, { kind, action, circumstances }: Attempt): boolean {
  switch (kind) {
    case "tenant":
      return isUse(audience, action, circumstances) || isGrant(audience, action, circumstances);
    case "outside":
      return isUse(audience, action, circumstances);
    case "provisioner":
      return [...ADMINISTER_ACTIONS, ...DISCARD_ACTIONS, ...DEPART_ACTIONS].includes(action);
    case "auditor":
      return (AUDIT_ACTIONS as readonly string[]).includes(action);
    case "administrator":
    case "root":
      return (RECOVER_ACTIONS as readonly string[]).includes(action);
    case "stranger":
      return false;
  }
}

/** What exactly the policy of this form lets somebody do. */
export function isMeant(form: Form, audience: KeyAudience, attempt: Attempt): boolean {
  const { kind, action } = attempt;
  if (kind === "tenant" || kind === "outside") return form === "admitted" && isMeantAtMost(audience, attempt);
  if (kind !== "provisioner") return isMeantAtMost(audience, attempt);
  if (action === "kms:ScheduleKeyDeletion") return form !== "admitted";
  return administerActions(audience.profile).includes(action);
}

function isUse({ context, tenantId, profile }: KeyAudience, action: string, how: Circumstances): boolean {
  if (!useActions(profile).includes(action)) return false;
  if ((DESCRIBE_ACTIONS as readonly string[]).includes(action)) return true;
  if (profile.strictEncryptionContext && how.contextTenant !== tenantId) return false;
  return comesThrough(profile, context.region, how);
}

function isGrant(audience: KeyAudience, action: string, how: Circumstances): boolean {
  return isGrantForService(audience, action, how) || (action === "kms:CreateGrant" && isGrantToJob(audience, how));
}

/** docs/job-grants.md, "Who refuses what". */
function isGrantToJob(
  { tenantId, profile, principalArn }: KeyAudience,
  { contextTenant, grant }: Circumstances,
): boolean {
  if (grant === undefined || contextTenant !== tenantId || grant.retiring !== principalArn) return false;
  const lent = jobGrantOperations(profile);
  return (
    profile.jobRoleArns.some((arn) => arn === grant.grantee) && grant.operations.every((one) => lent.includes(one))
  );
}

function isGrantForService({ context, profile }: KeyAudience, action: string, how: Circumstances): boolean {
  if (!profile.serviceGrants || how.viaService === undefined) return false;
  return (SERVICE_GRANT_ACTIONS as readonly string[]).includes(action) && comesThrough(profile, context.region, how);
}

function comesThrough(
  { viaServices, replicaRegions }: KeyAudience["profile"],
  region: string,
  { viaService }: Circumstances,
): boolean {
  if (viaServices.length === 0) return true;
  const [service, itsRegion] = viaService?.split(".") ?? [];
  return viaServices.some((one) => one === service) && [region, ...replicaRegions].some((one) => one === itsRegion);
}
