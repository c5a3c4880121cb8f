/** What an auditor asks of every key: its state in the terms of NIST SP 800-57, where its material is, its rotations. */
import type { KeyState } from "../observed-state.ts";
import type { Facts } from "./facts.ts";
import type { Reading } from "./inspection.ts";
import { rotationsOnRequest } from "./rules/rotation.ts";
import type { KeyAttributes, NistKeyState } from "./verdict.ts";

/**
 * By SP 800-57 part 1, revision 5, section 7. A state that can be left again is `suspended`; a key that is to be deleted
 * is `deactivated`: it protects nothing new, and KMS ends it by itself.
 */
const NIST_STATES: Readonly<Record<KeyState, NistKeyState>> = {
  Creating: "pre-activation",
  Enabled: "active",
  Updating: "active",
  Disabled: "suspended",
  Unavailable: "suspended",
  PendingImport: "suspended",
  PendingDeletion: "deactivated",
  PendingReplicaDeletion: "deactivated",
};

/** Undefined where there is no key, or nothing of it could be read. */
export function keyAttributes(facts: Facts): KeyAttributes | undefined {
  const { key, desired } = facts;
  if (key === undefined) return undefined;
  if (key.kind === "absent") {
    return { keyArn: key.keyArn, nistState: "destroyed", fipsLevel: fipsLevel(desired.origin) };
  }
  const description = answerOf(key.description);
  if (description === undefined) return undefined;
  const rotation = answerOf(key.rotation);
  const past = answerOf(key.rotations);
  const grants = answerOf(key.grants);
  return {
    keyArn: key.keyArn,
    nistState: nistState(facts, description.state),
    fipsLevel: fipsLevel(description.origin),
    lastRotatedAtMs: past === undefined || past.length === 0 ? undefined : Math.max(...past.map(({ atMs }) => atMs)),
    nextRotationAtMs: rotation?.enabled === true ? rotation.nextRotationAtMs : undefined,
    rotationsOnRequest: past === undefined ? undefined : rotationsOnRequest(past),
    grants: grants?.length,
  };
}

/** A key that never had a tenant, or never had material, isn't activated yet. */
function nistState({ record }: Facts, state: KeyState): NistKeyState {
  const neverUsed = record.activeAtMs === undefined && record.materialGeneration === undefined;
  if (state === "PendingImport" && neverUsed) return "pre-activation";
  const isBeingMade = record.state === "provisioning" || record.state === "failed";
  return state === "Enabled" && isBeingMade ? "pre-activation" : NIST_STATES[state];
}

/**
 * https://docs.aws.amazon.com/kms/latest/developerguide/kms-security.html: KMS's own HSMs are validated as a whole; of a
 * CloudHSM key store the cluster's are, by their type; what an external key store keeps keys in AWS can't say.
 */
function fipsLevel(origin: string): string | undefined {
  if (origin === "AWS_KMS" || origin === "EXTERNAL") return "FIPS 140-3 level 3";
  return origin === "AWS_CLOUDHSM" ? "level 3, by its CloudHSM cluster" : undefined;
}

function answerOf<T>(reading: Reading<T>): T | undefined {
  return reading.kind === "read" ? reading.value : undefined;
}
