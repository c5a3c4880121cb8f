/**
 * Whose turn it is: ListGrants and ListKeyRotations have KMS's narrowest quotas, 100 a second, so a sweep asks them of a
 * part of the keys, and of the next part in the next sweep.
 */
import type { KeyName, TenantId } from "../ids.ts";

const NARROW_PER_SECOND = 100;
/** Of a sweep's time, so long may the narrow calls go on: about as long as the others take for 100,000 keys. */
const NARROW_SECONDS = 200;

/**
 * In how many sweeps every key has its turn once.
 * @param before of the sweep before: a number that goes back and forth would let keys miss their turn, so it falls only by
 *   two at least
 */
export function roundsOf(tenantKeys: number, quotaShare: number, before = 1): number {
  const needed = Math.max(1, Math.ceil(tenantKeys / Math.floor(NARROW_PER_SECOND * NARROW_SECONDS * quotaShare)));
  return needed < before && needed >= before - 1 ? before : needed;
}

/** True in exactly one of `rounds` sweeps that follow each other. */
export function hasItsTurn(tenantId: TenantId, keyName: KeyName, sweepNumber: number, rounds: number): boolean {
  return hashOf(`${tenantId}/${keyName}`) % rounds === sweepNumber % rounds;
}

/** FNV-1a, 32 bits: spreads names evenly and is the same everywhere. http://www.isthe.com/chongo/tech/comp/fnv/ */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
