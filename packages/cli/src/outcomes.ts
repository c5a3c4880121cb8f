/** When what each event declares has come true, as the registry shows it. */
import {
  type ApprovalPrincipal,
  approvalsOf,
  ERROR_CODES,
  isApproved,
  type KeyName,
  type KeyRecord,
  type LifecycleState,
  type Register,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Awaited, TenantView } from "./wait-for-outcome.ts";

export interface SentEvent {
  readonly tenantId: TenantId;
  readonly eventId: string;
  readonly generation: number;
}

type Goal = Pick<Awaited, "endOf" | "describe">;

export interface RegisterGoal {
  readonly register: "suspension" | "leaving" | "hold";
  readonly value: boolean;
  /** What a key is called that is there, such as "suspended". */
  readonly reached: string;
  isReached(key: KeyRecord): boolean;
}

/** The tenant's register says it, and every key is as it then should be. */
export function registerOutcome(sent: SentEvent, goal: RegisterGoal): Goal {
  const settled = (key: KeyRecord) => key.leaseUntilMs === 0 && goal.isReached(key);
  return {
    endOf({ tenant, keys }) {
      const said = registerEnd(sent, goal.value, tenant?.[goal.register]);
      return said === "done" && !keys.every(settled) ? undefined : said;
    },
    describe: ({ keys }) => `${keys.filter(settled).length} of ${keys.length} keys ${goal.reached}`,
  };
}

function registerEnd({ eventId, generation }: SentEvent, value: boolean, register: Register | undefined) {
  if (register === undefined || register.generation < generation) return undefined;
  // The same declared twice is as good as ours; of a contradiction the worker refuses one, and keeps it.
  if (register.eventId === eventId || (register.generation === generation && register.value === value)) return "done";
  return register.generation > generation ? "superseded" : undefined;
}

/** States in which a key stays, whatever its tenant's suspension and departure. */
const STAYS: readonly LifecycleState[] = ["failed", "destroyed"];

function isIn(...states: readonly LifecycleState[]) {
  return ({ state }: KeyRecord) => [...STAYS, ...states].includes(state);
}

const LEAVING = ["offboarding", "pending-deletion"] as const;

export const GOALS = {
  suspended: {
    register: "suspension",
    value: true,
    reached: "disabled",
    isReached: isIn("suspended", "awaiting-material", ...LEAVING),
  },
  resumed: {
    register: "suspension",
    value: false,
    reached: "enabled",
    isReached: isIn("active", "awaiting-material", ...LEAVING),
  },
  offboarded: {
    register: "leaving",
    value: true,
    reached: "shut off",
    // A key that failed is taken along: of what may have been made of it nothing may stay.
    isReached: ({ state }) => state === "offboarding" || state === "pending-deletion" || state === "destroyed",
  },
  reinstated: {
    register: "leaving",
    value: false,
    reached: "back",
    isReached: isIn("active", "suspended", "awaiting-material"),
  },
  held: {
    register: "hold",
    value: true,
    reached: "held",
    isReached: ({ state }) => state !== "pending-deletion",
  },
  released: {
    register: "hold",
    value: false,
    reached: "released",
    isReached: ({ waitingFor }) => waitingFor !== "legal-hold",
  },
} as const satisfies Record<string, RegisterGoal>;

/** Where the bus brought the offboarding, two approvals are needed: the first is done once it is recorded. */
export function approvalOutcome(
  { eventId }: SentEvent,
  offboardingGeneration: number,
  approvers: ApprovalPrincipal,
): Goal {
  const settled = (key: KeyRecord) => key.leaseUntilMs === 0 && key.waitingFor !== "approval";
  return {
    endOf({ tenant, keys }) {
      if (tenant === undefined) return undefined;
      if ((tenant.leaving?.generation ?? 0) > offboardingGeneration) return "superseded";
      if (isApproved(tenant, approvers)) return keys.every(settled) ? "done" : undefined;
      return approvalsOf(tenant).some((approval) => approval.eventId === eventId) ? "done" : undefined;
    },
    describe: ({ keys }) => `${keys.filter(settled).length} of ${keys.length} keys not waiting for an approval`,
  };
}

export function rotationOutcome({ generation }: SentEvent, keyName: KeyName): Goal {
  return {
    endOf({ keys }) {
      const rotation = keys.find((key) => key.keyName === keyName)?.rotation;
      if (rotation === undefined || rotation.generation < generation) return undefined;
      if (rotation.generation > generation) return "superseded";
      return rotation.doneAtMs === undefined ? undefined : "done";
    },
    describe: () => `key ${keyName} not rotated yet`,
  };
}

export function materialOutcome({ generation }: SentEvent, keyName: KeyName): Goal {
  return {
    endOf({ keys }) {
      const key = keys.find((candidate) => candidate.keyName === keyName);
      if (key?.materialGeneration === undefined || key.materialGeneration < generation) return undefined;
      if (key.materialGeneration > generation) return "superseded";
      return key.leaseUntilMs === 0 && key.state !== "awaiting-material" ? "done" : undefined;
    },
    describe: ({ keys }) => {
      const state = keys.find((key) => key.keyName === keyName)?.state;
      return `key ${keyName} is ${state ?? "unknown"}`;
    },
  };
}

/** A key that was declared is made: it can be used, or waits for its material or its tenant. */
const MADE: readonly LifecycleState[] = ["active", "awaiting-material", "suspended"];

/**
 * @param sent.generation absent: the event's time, which is about when the waiting began
 */
export function keysMadeOutcome(
  sent: Omit<SentEvent, "generation"> & { readonly generation: number | undefined },
  keyNames: readonly KeyName[],
  startMs: number,
): Goal {
  const wanted = ({ keys }: TenantView) => keys.filter(({ keyName }) => keyNames.includes(keyName));
  const given = (key: KeyRecord) => key.eventId === sent.eventId && key.leaseUntilMs === 0;
  const made = (key: KeyRecord) => given(key) && key.failure === undefined && MADE.includes(key.state);
  return {
    endOf(view) {
      const keys = wanted(view);
      const refused = (key: KeyRecord) => key.failure !== undefined && !isRetryable(key.failure.code);
      if (keys.some((key) => given(key) && refused(key))) return "refused";
      const newest = sent.generation ?? startMs;
      if (keys.some((key) => key.eventId !== sent.eventId && key.generation > newest)) return "superseded";
      return keys.filter(made).length === keyNames.length ? "done" : undefined;
    },
    describe: (view) => {
      const active = wanted(view).filter((key) => made(key) && key.state === "active").length;
      return `${active} of ${keyNames.length} keys active`;
    },
  };
}

function isRetryable(code: string): boolean {
  const known = ERROR_CODES.find((candidate) => candidate === code);
  return known !== undefined && new TenantKeysError(known, "").retryable;
}
