/** What the proof of containment is given, and what it says. */
import type { DesiredTenantKey } from "../desired-state.ts";
import type { KeyArn, KeyName, RoleArn, TenantId } from "../ids.ts";
import type { KeyProfile } from "../key-profile.ts";
import type { KeyTarget } from "../plan.ts";
import type { InspectedKey, InspectedRole, Reading } from "../verification/inspection.ts";

/** Which of a tenant's KMS keys it is: the one in use, one that was replaced and still decrypts, or a copy in another Region. */
export type KeyPart = "current" | "replaced" | "replica";

/** One KMS key with its documents as they were read. */
export interface ProvenKey {
  readonly keyArn: KeyArn;
  readonly keyName: KeyName;
  readonly part: KeyPart;
  /** Of the tenant's own account, whose policy only its owner reads. */
  readonly isOwnKey: boolean;
  /** How it may be used; undefined where the stage lacks its profile. */
  readonly profile: KeyProfile | undefined;
  /** What its documents are judged by, and what was read; or why there is nothing to judge. */
  readonly seen:
    | {
        readonly kind: "inspected";
        readonly key: InspectedKey;
        readonly desired: DesiredTenantKey;
        readonly target: KeyTarget;
        /** Epoch milliseconds. */
        readonly readAtMs: number;
      }
    | { readonly kind: "unseen"; readonly reason: string };
}

export interface ProvenTenant {
  readonly tenantId: TenantId;
  /** The role of its sessions: its own, or in role mode `session-tag` the one that all share. */
  readonly role: Reading<InspectedRole | undefined>;
  readonly keys: readonly ProvenKey[];
}

/** A statement or grant that lets in somebody who isn't the tenant. */
export interface Breach {
  readonly kind: "key-policy" | "grant" | "trust-policy";
  /** The key's ARN, or of a trust policy the role's. */
  readonly resource: KeyArn | RoleArn;
  /** The statement's Sid, or its place such as `#2`; the grant's id. */
  readonly statement: string;
  readonly reason: string;
  /** The statement or grant as it was read. */
  readonly document: unknown;
  /** Who is let in, in words. */
  readonly letsIn: readonly string[];
  /** The other tenants whose sessions it lets in, or may. */
  readonly tenants: readonly TenantId[];
}

/** What becomes of the tenant itself: `shut` by the key's state or policy, as of a tenant that is suspended or leaves. */
export type OwnUse =
  | { readonly kind: "allowed" }
  | { readonly kind: "shut"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

/**
 * - `contained`: nobody but the tenant's role, and whom its profile names, can use it
 * - `broken`: somebody else may · `not-proven`: not all that decides was read
 */
export type KeyVerdict = "contained" | "broken" | "not-proven";

export interface KeyProof {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly keyArn: KeyArn;
  readonly part: KeyPart;
  readonly verdict: KeyVerdict;
  readonly breaches: readonly Breach[];
  /** Why not everything could be judged; there may be breaches beside. */
  readonly unproven: readonly string[];
  readonly own: OwnUse;
  /** The other tenants of the pairs that are broken: the union of the breaches'. */
  readonly openTo: readonly TenantId[];
  /** What is declared of it and an auditor has to know: outside accounts, a state that shuts it. */
  readonly remarks: readonly string[];
}

/** A second line of defence that is gone: the key policies still refuse. */
export interface RoleRemark {
  readonly tenantId: TenantId;
  readonly roleArn: RoleArn;
  readonly remark: string;
}

export interface ProofCounts {
  readonly tenants: number;
  readonly keys: number;
  /** Pairs of a tenant's session and another tenant's key. */
  readonly pairsRefused: number;
  readonly pairsBroken: number;
  readonly pairsNotProven: number;
  /** Pairs of a tenant's session and its own key. */
  readonly ownAllowed: number;
  readonly ownShut: number;
  readonly ownUnknown: number;
}

export interface Proof {
  readonly keys: readonly KeyProof[];
  readonly remarks: readonly RoleRemark[];
  readonly counts: ProofCounts;
}
