/** The search that asks the engine little finds the same as the one that asks it everything. */
import { expect, test } from "vitest";
import { audiencesOf, policyOf, ROLE_MODES } from "./src/audiences.ts";
import { refusal } from "./src/engine.ts";
import { excessSearch } from "./src/excess.ts";
import { mutantOf } from "./src/mutate.ts";
import { SEED } from "./src/mutation-run.ts";
import { randomOf } from "./src/random.ts";

const COMPARED_PER_ROLE_MODE = 6;

test.each(ROLE_MODES)("in role mode %s it lets somebody do more by the same documents as trying all", (roleMode) => {
  const random = randomOf(SEED + 1);
  const searches = audiencesOf(roleMode).map((audience) => ({ audience, search: excessSearch(audience) }));
  const found = { excess: 0, none: 0 };
  while (found.excess + found.none < COMPARED_PER_ROLE_MODE) {
    const { audience, search } = random.oneOf(searches);
    const { policy } = mutantOf(policyOf("admitted", audience), random);
    if (refusal(policy) !== undefined) continue;
    const few = search.firstExcess(policy) !== undefined;
    expect(few, JSON.stringify(policy)).toBe(search.firstExcessOfAll(policy) !== undefined);
    found[few ? "excess" : "none"]++;
  }
  expect(Math.min(found.excess, found.none)).toBeGreaterThan(0);
});
