/** Which pairs are tried live where there are more than may be tried: the same ones each time, spread over all tenants. */

/** A session's tenant and another tenant's key, by their places in the lists. */
export interface Pair {
  readonly session: number;
  readonly key: number;
}

export interface PairSample {
  readonly pairs: readonly Pair[];
  /** Of so many. */
  readonly total: number;
}

/**
 * All pairs, or as many whole rings as fit: in a ring every key has one session of another tenant, and every tenant that
 * has a key is the session of one. There is one ring at least, so that no key and no tenant is left out.
 * @param owners of each key, the place of its tenant among `tenants`
 */
export function samplePairs(tenants: number, owners: readonly number[], pairsMax: number): PairSample {
  const total = owners.length * Math.max(0, tenants - 1);
  if (total === 0) return { pairs: [], total };
  const rings = total <= pairsMax ? tenants - 1 : Math.max(1, Math.floor(pairsMax / owners.length));
  const pairs: Pair[] = [];
  for (let ring = 0; ring < rings; ring++) {
    // Spread evenly, so that it isn't always the neighbours that are tried.
    const distance = 1 + Math.floor((ring * (tenants - 1)) / rings);
    owners.forEach((owner, key) => {
      pairs.push({ session: (owner + distance) % tenants, key });
    });
  }
  return { pairs, total };
}
