/**
 * Whom a statement or grant lets in beside whom it should: in words, and which tenants' sessions that may be. What isn't
 * understood lets in everybody. Conditions only narrow, and are left out of account but for the session's tag.
 */
import type { KeyArn, RoleArn, TenantId } from "../ids.ts";
import { SESSION_TAG, tenantRoleArn } from "../names.ts";
import { type StageContext, tenantPrincipalArn } from "../stage-context.ts";
import type { InspectedRole, Reading } from "../verification/inspection.ts";
import { isRecord } from "../verification/rules/principals.ts";
import type { ProvenTenant } from "./proof.ts";
import { mayReach, textsOf } from "./role-reach.ts";

/** One tenant of the proof, as a statement may name it. */
interface Member {
  readonly tenantId: TenantId;
  /** What policies call its sessions' role: its own, and the shared one where there is one. In lower case. */
  readonly names: ReadonlySet<string>;
  readonly role: Reading<InspectedRole | undefined>;
}

export interface Crowd {
  readonly context: StageContext;
  readonly members: readonly Member[];
}

export interface LetIn {
  readonly who: readonly string[];
  readonly tenants: readonly TenantId[];
}

export function crowdOf(context: StageContext, tenants: readonly ProvenTenant[]): Crowd {
  return { context, members: tenants.map((tenant) => memberOf(context, tenant)) };
}

function memberOf(context: StageContext, { tenantId, role }: ProvenTenant): Member {
  const arns = [tenantPrincipalArn(context, tenantId), tenantRoleArn(context.accountId, context.stage, tenantId)];
  return { tenantId, names: new Set(arns.flatMap(namesOf)), role };
}

/** The role, and what its sessions' ARNs begin with: they have the role's name without its path. */
function namesOf(roleArn: RoleArn): readonly string[] {
  const [, , , , accountId] = roleArn.split(":");
  const name = roleArn.slice(roleArn.lastIndexOf("/") + 1);
  return [roleArn, `arn:aws:sts::${accountId}:assumed-role/${name}`].map((arn) => arn.toLowerCase());
}

/** What a key policy's statement lets in. @param keyArn for the roles' own policies, where the statement leaves it to them */
export function letInByKeyPolicy(crowd: Crowd, statement: unknown, keyArn: KeyArn): LetIn {
  const tagged =
    crowd.context.roleMode === "session-tag" ? tagsIn(statement, `aws:principaltag/${SESSION_TAG}`) : undefined;
  return letInBy(crowd, statement, (principal) => {
    const found = ofPrincipal(crowd, principal, (member) => mayReach(member.role, keyArn));
    return tagged === undefined ? found : { ...found, tenants: found.tenants.filter((id) => tagged.includes(id)) };
  });
}

/**
 * What a trust policy's statement lets in. Who becomes an application role asks with the tag of the tenant that it works
 * for, so a tag that the statement demands keeps out all others; anybody else may say any tag.
 */
export function letInByTrust(crowd: Crowd, statement: unknown): LetIn {
  const tagged = tagsIn(statement, `aws:requesttag/${SESSION_TAG}`);
  const { applicationRoleArns } = crowd.context;
  return letInBy(crowd, statement, (principal) => {
    if (!(applicationRoleArns as readonly string[]).includes(principal)) {
      return ofPrincipal(crowd, principal, () => true);
    }
    const tenants = everyTenant(crowd).filter((id) => tagged === undefined || tagged.includes(id));
    return { who: [`${principal}, without the tag of this tenant`], tenants };
  });
}

/** @param principal as a grant or a statement names it */
export function letInByName(crowd: Crowd, principal: string, keyArn: KeyArn): LetIn {
  return ofPrincipal(crowd, principal, (member) => mayReach(member.role, keyArn));
}

/** Whom nothing can be said of: everybody. */
export function letInAnybody(crowd: Crowd): LetIn {
  return { who: ["anybody"], tenants: everyTenant(crowd) };
}

function letInBy(crowd: Crowd, statement: unknown, ofName: (principal: string) => LetIn): LetIn {
  if (!isRecord(statement) || !isRecord(statement.Principal) || statement.NotPrincipal !== undefined) {
    return letInAnybody(crowd);
  }
  const found = Object.entries(statement.Principal).map(([kind, named]) => {
    const names = textsOf(named);
    if (names === undefined || names.some((name) => /[*?]/.test(name) && !isAccount(name))) return letInAnybody(crowd);
    if (kind === "AWS") return together(names.map(ofName));
    // No session of a tenant's role is one of these.
    if (kind === "Service" || kind === "Federated") return { who: names.map((name) => `${kind} ${name}`), tenants: [] };
    return letInAnybody(crowd);
  });
  return found.length === 0 ? letInAnybody(crowd) : together(found);
}

function ofPrincipal(crowd: Crowd, principal: string, reaches: (member: Member) => boolean): LetIn {
  if (/[*?]/.test(principal)) return letInAnybody(crowd);
  const accountId = accountOf(principal);
  if (accountId !== undefined) {
    if (accountId !== crowd.context.accountId) return { who: [`account ${accountId}`], tenants: [] };
    const who = [`every role and user of account ${accountId} whose own policies allow it`];
    return { who, tenants: crowd.members.filter(reaches).map(({ tenantId }) => tenantId) };
  }
  const sought = principal.toLowerCase();
  // A session's ARN goes on with its name.
  const role = sought.includes(":assumed-role/") ? sought.split("/").slice(0, 2).join("/") : sought;
  const tenants = crowd.members.filter(({ names }) => names.has(role)).map(({ tenantId }) => tenantId);
  return { who: [principal], tenants };
}

function everyTenant({ members }: Crowd): readonly TenantId[] {
  return members.map(({ tenantId }) => tenantId);
}

function isAccount(name: string): boolean {
  return accountOf(name) !== undefined;
}

/** `111122223333`, or `arn:aws:iam::111122223333:root`: either leaves it to the account's IAM. */
function accountOf(principal: string): string | undefined {
  return /^(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?$/.exec(principal)?.[1];
}

function together(all: readonly LetIn[]): LetIn {
  return {
    who: [...new Set(all.flatMap(({ who }) => who))],
    tenants: [...new Set(all.flatMap(({ tenants }) => tenants))],
  };
}

/**
 * The values that a `StringEquals` of this key demands; undefined where it demands none to the letter. All conditions must
 * hold, so one such is enough to keep every other value out.
 */
function tagsIn(statement: unknown, conditionKey: string): readonly string[] | undefined {
  if (!isRecord(statement) || !isRecord(statement.Condition) || !isRecord(statement.Condition.StringEquals)) {
    return undefined;
  }
  const [, wanted] =
    Object.entries(statement.Condition.StringEquals).find(([key]) => key.toLowerCase() === conditionKey) ?? [];
  const values = textsOf(wanted);
  return values?.some((value) => value.includes("${")) === true ? undefined : values;
}
