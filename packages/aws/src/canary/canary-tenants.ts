/** Whether the canary's two tenants can be used. Where one isn't there yet, the worker is asked to make it. */
import {
  CANARY_KEY_NAME,
  CANARY_TENANTS,
  type CanaryResources,
  canaryProfile,
  type KeyRecord,
  REPLY_SOURCE,
  type StageSettings,
  type TenantId,
  TenantKeysError,
  tenantPrincipalArn,
} from "@tenantkeys/core";
import type { OutgoingEvent } from "../bus-message.ts";
import type { Registry } from "../registry.ts";
import type { Run } from "../run.ts";
import { type AskPorts, askWorker } from "../verification/ask-worker.ts";

export interface CanaryTenantPorts extends AskPorts {
  readonly registry: Pick<Registry, "get">;
  readonly settings: Pick<StageSettings, "profiles">;
}

export type CanaryTenants =
  | { readonly kind: "ready"; readonly resources: CanaryResources }
  | { readonly kind: "not-ready"; readonly waitsFor: string };

/** Of a key that a sign-up makes, or goes on making. What somebody suspended or offboarded stays so. */
const SIGNED_UP_AGAIN: readonly KeyRecord["state"][] = ["provisioning", "failed", "destroyed"];

/** @throws TenantKeysError what reading the registry, or sending, throws */
export async function readyTenants(ports: CanaryTenantPorts, run: Run): Promise<CanaryTenants> {
  const { a, b } = CANARY_TENANTS;
  const [ofA, ofB] = [await tenantOf(ports, run, a), await tenantOf(ports, run, b)];
  if (typeof ofA === "string" || typeof ofB === "string") {
    const waitsFor = [ofA, ofB].filter((one) => typeof one === "string").join(", ");
    return { kind: "not-ready", waitsFor };
  }
  return { kind: "ready", resources: { a: ofA, b: ofB } };
}

/** @returns what it waits for, where it can't be used */
async function tenantOf(
  ports: CanaryTenantPorts,
  run: Run,
  tenantId: TenantId,
): Promise<CanaryResources["a"] | string> {
  const record = await ports.registry.get(run, tenantId, CANARY_KEY_NAME);
  if (record === undefined || isSignUpDue(ports, record)) await askWorker(ports, run, signUp(ports, tenantId));
  if (record?.state !== "active" || record.keyArn === undefined) return `${tenantId} is ${record?.state ?? "unknown"}`;
  return { keyArn: record.keyArn, roleArn: tenantPrincipalArn(ports.context, tenantId) };
}

/** A profile that the stage has no more would leave its key unverified. */
function isSignUpDue({ settings }: CanaryTenantPorts, { state, profile }: KeyRecord): boolean {
  const isLosing = state === "active" && !Object.hasOwn(settings.profiles, profile);
  return isLosing || SIGNED_UP_AGAIN.includes(state);
}

/** Its time is its generation, so that one after an offboarding begins a new life. */
function signUp({ settings, context }: CanaryTenantPorts, tenantId: TenantId): OutgoingEvent {
  const profile = canaryProfile(settings.profiles);
  if (profile === undefined) {
    const message = "the stage has no profile for the canary's keys: deploy it again, or switch the canary off";
    throw new TenantKeysError("settings_invalid", message, { step: "canary" });
  }
  const detail = { version: "1", stage: context.stage, tenantId, keyNames: [CANARY_KEY_NAME], profile };
  return { source: REPLY_SOURCE, "detail-type": "TenantSignedUp", detail };
}
