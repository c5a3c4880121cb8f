/**
 * What is declared of a whole tenant: registers in which the newest generation wins, so that events in any order, late or
 * repeated, end in the same declaration. What each key should be follows from it (`targetOf`).
 */
import { TenantKeysError } from "./errors.ts";
import type { TenantId } from "./ids.ts";

/** One declared fact. */
export interface Register {
  readonly value: boolean;
  readonly generation: number;
  readonly eventId: string;
  /** Who sent the event, as AWS authenticated it (SQS's SenderId); absent where the bus brought it. */
  readonly by?: string | undefined;
  readonly reason?: string | undefined;
  /** Epoch milliseconds at which it was taken. */
  readonly atMs: number;
}

export interface Approval {
  /** The generation of the offboarding that is approved. */
  readonly offboardingGeneration: number;
  readonly generation: number;
  readonly eventId: string;
  readonly by: string;
  readonly atMs: number;
}

export interface TenantRecord {
  readonly tenantId: TenantId;
  /** Raised by every write; a key is only ever worked on under the version that was read. */
  readonly version: number;
  /**
   * The oldest sign-up of this life of the tenant. An offboarding older than that is about an earlier life: so a sign-up
   * and an offboarding end the same, whichever arrives first.
   */
  readonly lifeGeneration?: number | undefined;
  /** The generation at which an earlier life ended, its keys destroyed. What is older changes nothing any more. */
  readonly endedGeneration?: number | undefined;
  readonly suspension?: Register | undefined;
  readonly leaving?: Register | undefined;
  readonly hold?: Register | undefined;
  /** All of one offboarding, the newest that was approved by anybody; at most one per person. */
  readonly approvals?: readonly Approval[] | undefined;
  /** Of the control plane's newest request about this tenant (SBT-AWS). */
  readonly tenantRegistrationId?: string | undefined;
  readonly updatedAtMs: number;
}

type Declaration = Pick<Register, "value" | "generation">;

/** What of a tenant's record decides what its keys should be; the client reads no more of it. */
export interface TenantStanding extends Pick<TenantRecord, "lifeGeneration" | "endedGeneration"> {
  readonly suspension?: Declaration | undefined;
  readonly leaving?: Declaration | undefined;
}

/** What the keys of the tenant should be now. */
export type TenantTarget = "usable" | "disabled" | "leaving";

/** Leaving outranks suspension: an offboarded tenant's key is not merely disabled. */
export function targetOf(tenant: TenantStanding | undefined): TenantTarget {
  if (tenant !== undefined && leavingRegister(tenant) !== undefined) return "leaving";
  return tenant !== undefined && isSuspended(tenant) ? "disabled" : "usable";
}

function isSuspended(tenant: TenantStanding): boolean {
  const { suspension } = tenant;
  return suspension?.value === true && !isOfEarlierLife(tenant, suspension.generation);
}

/**
 * Whether a declaration of this generation is about a life that is over: after the keys of one life are gone, whatever
 * was declared before the sign-up that began the next is about the old one. (In a tenant's first life a suspension may
 * arrive before its sign-up and counts.)
 */
export function isOfEarlierLife(
  { lifeGeneration = 0, endedGeneration }: Pick<TenantRecord, "lifeGeneration" | "endedGeneration">,
  generation: number,
): boolean {
  return endedGeneration !== undefined && generation < lifeGeneration;
}

/** The offboarding that is in force, if one is. */
export function leavingRegister<Leaving extends Declaration>({
  leaving,
  lifeGeneration,
}: {
  readonly leaving?: Leaving | undefined;
  readonly lifeGeneration?: number | undefined;
}): Leaving | undefined {
  if (leaving?.value !== true) return undefined;
  return lifeGeneration === undefined || leaving.generation > lifeGeneration ? leaving : undefined;
}

export function isHeld(tenant: TenantRecord): boolean {
  return tenant.hold?.value === true;
}

type RegisterName = "suspension" | "leaving" | "hold";

/** Which register each event sets, and to what. */
const REGISTER_EVENTS = {
  TenantSuspended: { register: "suspension", value: true },
  TenantResumed: { register: "suspension", value: false },
  TenantOffboarded: { register: "leaving", value: true },
  TenantReinstated: { register: "leaving", value: false },
  TenantLegalHoldPlaced: { register: "hold", value: true },
  TenantLegalHoldReleased: { register: "hold", value: false },
} as const satisfies Record<string, { readonly register: RegisterName; readonly value: boolean }>;

/** Of two events of one generation that contradict each other the safer counts: nothing is lost and nobody is let in. */
const SAFER_VALUE: Readonly<Record<RegisterName, boolean>> = { suspension: true, leaving: false, hold: true };

export type RegisterEventType = keyof typeof REGISTER_EVENTS;
export type TenantEventOfRegister =
  | { readonly type: RegisterEventType; readonly reason?: string | undefined }
  | { readonly type: "TenantOffboardingApproved"; readonly offboardingGeneration: number };

/** What every declaration about a tenant says of itself. */
export interface Declared {
  readonly tenantId: TenantId;
  readonly generation: number;
  readonly eventId: string;
  readonly tenantRegistrationId?: string | undefined;
  readonly by?: string | undefined;
}

export type TenantMerge =
  /** To be written, with the next version. */
  | { readonly kind: "changed"; readonly tenant: TenantRecord }
  /** Known already: the event comes again. */
  | { readonly kind: "known"; readonly tenant: TenantRecord }
  | { readonly kind: "superseded"; readonly byGeneration: number }
  | { readonly kind: "refused"; readonly error: TenantKeysError };

/** A tenant of which nothing is declared but its first sign-up. */
export function newTenant(declared: Declared, nowMs: number): TenantRecord {
  const { tenantId, generation: lifeGeneration, tenantRegistrationId } = declared;
  return { tenantId, version: 1, lifeGeneration, tenantRegistrationId, updatedAtMs: nowMs };
}

/** Takes in that a sign-up exists. `known` where it changes nothing for the tenant, which is the rule. */
export function mergeSignUp(tenant: TenantRecord, { generation }: Declared, nowMs: number): TenantMerge {
  const { lifeGeneration, endedGeneration } = tenant;
  if (endedGeneration !== undefined && generation <= endedGeneration) {
    return { kind: "superseded", byGeneration: endedGeneration };
  }
  if (lifeGeneration !== undefined && lifeGeneration <= generation) return { kind: "known", tenant };
  return {
    kind: "changed",
    tenant: { ...tenant, lifeGeneration: generation, version: tenant.version + 1, updatedAtMs: nowMs },
  };
}

/** A tenant whose keys are all gone signs up again, after its offboarding: a new life, in which the old events are over. */
export function mergeNewLife(tenant: TenantRecord, { generation }: Declared, nowMs: number): TenantMerge {
  const endedGeneration = tenant.leaving?.generation ?? 0;
  if (generation <= endedGeneration) return { kind: "superseded", byGeneration: endedGeneration };
  return {
    kind: "changed",
    tenant: { ...tenant, lifeGeneration: generation, endedGeneration, version: tenant.version + 1, updatedAtMs: nowMs },
  };
}

/**
 * Takes an event into the tenant's record.
 * @param approvers how the one who approves and the one who asked are told apart (`sameApprover`)
 */
export function mergeTenantEvent(
  known: TenantRecord | undefined,
  declared: Declared,
  event: TenantEventOfRegister,
  approvers: ApprovalPrincipal,
  nowMs: number,
): TenantMerge {
  const tenant = known ?? { tenantId: declared.tenantId, version: 0, updatedAtMs: nowMs };
  const merged =
    event.type === "TenantOffboardingApproved"
      ? mergeApproval(tenant, declared, event.offboardingGeneration, approvers, nowMs)
      : mergeRegister(tenant, declared, event.type, event.reason, nowMs);
  if (merged.kind !== "changed") return merged;
  const { tenantRegistrationId = tenant.tenantRegistrationId } = declared;
  return {
    kind: "changed",
    tenant: { ...merged.tenant, tenantRegistrationId, version: tenant.version + 1, updatedAtMs: nowMs },
  };
}

function mergeRegister(
  tenant: TenantRecord,
  declared: Declared,
  type: RegisterEventType,
  reason: string | undefined,
  nowMs: number,
): TenantMerge {
  const { register: name, value } = REGISTER_EVENTS[type];
  const { generation, eventId, by } = declared;
  const current = tenant[name];
  const next: Register = { value, generation, eventId, by, reason, atMs: nowMs };
  const changed: TenantMerge = { kind: "changed", tenant: { ...tenant, [name]: next } };
  if (current === undefined || generation > current.generation) return changed;
  if (generation < current.generation) return { kind: "superseded", byGeneration: current.generation };
  if (value === current.value) return { kind: "known", tenant };
  if (value === SAFER_VALUE[name]) return changed;
  const message = `generation ${generation} already declares the opposite of ${type}`;
  return { kind: "refused", error: refusal("generation_conflict", message, declared) };
}

function mergeApproval(
  tenant: TenantRecord,
  declared: Declared,
  offboardingGeneration: number,
  approvers: ApprovalPrincipal,
  nowMs: number,
): TenantMerge {
  const { generation, eventId, by } = declared;
  if (by === undefined) {
    const message =
      "nobody gives this approval by name: tenantkeys approve must run as a role's session, not as an IAM user or the root user, and an approval can't come over the bus";
    return { kind: "refused", error: refusal("approval_refused", message, declared) };
  }
  const leaving = leavingRegister(tenant);
  if (leaving?.generation === offboardingGeneration && sameApprover(leaving.by, by, approvers)) {
    const message = `${by} asked for the offboarding and can't approve it as well`;
    return { kind: "refused", error: refusal("approval_refused", message, declared) };
  }
  const { approvals = [] } = tenant;
  const newest = approvals[0]?.offboardingGeneration ?? 0;
  if (offboardingGeneration < newest) return { kind: "superseded", byGeneration: newest };
  const others = offboardingGeneration === newest ? approvals : [];
  if (others.some((approval) => sameApprover(approval.by, by, approvers))) return { kind: "known", tenant };
  if (others.length >= APPROVALS_MAX) return { kind: "known", tenant };
  const approval: Approval = { offboardingGeneration, generation, eventId, by, atMs: nowMs };
  return { kind: "changed", tenant: { ...tenant, approvals: [...others, approval] } };
}

/** Two people are needed; more than a handful add nothing. */
const APPROVALS_MAX = 10;
const PEOPLE_NEEDED = 2;

/**
 * How two people are told apart: by the role (or user) they work as, or by its session as well. A session's name is chosen
 * by whoever assumes a role, unless an identity provider sets it, so `session` is for stages where it does.
 */
export type ApprovalPrincipal = "role" | "session";

function sameApprover(one: string | undefined, other: string, approvers: ApprovalPrincipal): boolean {
  if (one === undefined) return false;
  if (approvers === "session") return one === other;
  return one.split(":")[0] === other.split(":")[0];
}

/**
 * Whether two different people stand behind the offboarding that is declared now: who asked for it and who approved it,
 * or, where the bus brought it from nobody in particular, two who approved it. (Whoever may approve may often publish on
 * the bus as well, so an event without a person counts for none.)
 */
export function isApproved(tenant: TenantRecord, approvers: ApprovalPrincipal): boolean {
  const { leaving } = tenant;
  if (leaving === undefined) return false;
  const people = [leaving.by, ...approvalsOf(tenant).map(({ by }) => by)].filter((by) => by !== undefined);
  const different = people.filter(
    (by, index) => !people.slice(0, index).some((one) => sameApprover(one, by, approvers)),
  );
  return different.length >= PEOPLE_NEEDED;
}

/** The approvals of the offboarding that is declared now. */
export function approvalsOf({ leaving, approvals = [] }: TenantRecord): readonly Approval[] {
  return approvals.filter(({ offboardingGeneration }) => offboardingGeneration === leaving?.generation);
}

function refusal(code: TenantKeysError["code"], message: string, { tenantId }: Declared): TenantKeysError {
  return new TenantKeysError(code, message, { tenantId, step: "declare" });
}
