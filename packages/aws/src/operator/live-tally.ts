/** Counts what was tried live, and keeps what went otherwise than it must. */
import type { KeyArn, KeyName, RoleArn, TenantId, TenantKeysError } from "@tenantkeys/core";
import type { KeyAttempt } from "./try-attempts.ts";

export type LiveAttempt = KeyAttempt | "sts:AssumeRole";

/** Who tried what with whose. */
export interface Tried {
  readonly attempt: LiveAttempt;
  /** The tenant whose session it was, or for AssumeRole the tag. */
  readonly session: TenantId;
  /** The tenant whose key or role it was. */
  readonly tenantId: TenantId;
  readonly keyName?: KeyName | undefined;
  readonly resource: KeyArn | RoleArn;
}

export interface LivePart {
  readonly attempt: LiveAttempt;
  readonly own: {
    readonly worked: number;
    /** Refused or not done, as it must be of a tenant that is suspended or leaves. */
    readonly shut: number;
    readonly failed: number;
    readonly notTried: number;
  };
  readonly others: { readonly refused: number; readonly worked: number; readonly notTried: number };
}

export interface OwnFailure extends Tried {
  readonly error: TenantKeysError;
}

/** What says nothing about isolation: throttled, a disabled key, no ciphertext. Alike ones are counted together. */
export interface NotTried {
  readonly attempt: LiveAttempt;
  readonly reason: string;
  /** By the key's declared state or its profile, so that trying again would end the same. */
  readonly isExpected: boolean;
  readonly count: number;
  /** The first of them. */
  readonly example: Tried;
}

export interface LiveProof {
  readonly applicationRoleArn: RoleArn;
  /** Of a session and another tenant's key. */
  readonly pairs: { readonly tried: number; readonly total: number };
  readonly parts: readonly LivePart[];
  /** What worked and must not; the first `ALARMS_MAX` of them. */
  readonly alarms: readonly Tried[];
  /** A tenant's own use that must work and didn't; the first `ALARMS_MAX` of them. */
  readonly failures: readonly OwnFailure[];
  readonly notTried: readonly NotTried[];
}

/** What goes wrong goes wrong often: the parts count all of it. */
export const ALARMS_MAX = 1_000;
const ORDER: readonly LiveAttempt[] = [
  "kms:Decrypt",
  "kms:GenerateDataKey",
  "kms:GenerateMac",
  "kms:Sign",
  "sts:AssumeRole",
];

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
interface Counts {
  readonly own: Mutable<LivePart["own"]>;
  readonly others: Mutable<LivePart["others"]>;
}

export class LiveTally {
  readonly #parts = new Map<LiveAttempt, Counts>();
  readonly #alarms: Tried[] = [];
  readonly #failures: OwnFailure[] = [];
  readonly #notTried = new Map<string, Mutable<NotTried>>();

  own(tried: Tried, outcome: "worked" | "shut" | { readonly failed: TenantKeysError }): void {
    const { own } = this.#countsOf(tried);
    if (outcome === "worked" || outcome === "shut") own[outcome]++;
    else {
      own.failed++;
      if (this.#failures.length < ALARMS_MAX) this.#failures.push({ ...tried, error: outcome.failed });
    }
  }

  others(tried: Tried, outcome: "refused" | "worked"): void {
    this.#countsOf(tried).others[outcome]++;
    if (outcome === "worked" && this.#alarms.length < ALARMS_MAX) this.#alarms.push(tried);
  }

  notTried(tried: Tried, reason: string, isExpected = false): void {
    const { own, others } = this.#countsOf(tried);
    if (tried.session === tried.tenantId) own.notTried++;
    else others.notTried++;
    const alike = `${tried.attempt} ${isExpected} ${reason}`;
    const known = this.#notTried.get(alike) ?? { attempt: tried.attempt, reason, isExpected, count: 0, example: tried };
    known.count++;
    this.#notTried.set(alike, known);
  }

  result(applicationRoleArn: RoleArn, pairs: LiveProof["pairs"]): LiveProof {
    const parts = [...this.#parts]
      .map(([attempt, counts]) => ({ attempt, ...counts }))
      .sort((a, b) => ORDER.indexOf(a.attempt) - ORDER.indexOf(b.attempt));
    const notTried = [...this.#notTried.values()].sort((a, b) => b.count - a.count);
    return { applicationRoleArn, pairs, parts, alarms: this.#alarms, failures: this.#failures, notTried };
  }

  #countsOf({ attempt }: Tried): Counts {
    const counts = this.#parts.get(attempt) ?? {
      own: { worked: 0, shut: 0, failed: 0, notTried: 0 },
      others: { refused: 0, worked: 0, notTried: 0 },
    };
    this.#parts.set(attempt, counts);
    return counts;
  }
}
