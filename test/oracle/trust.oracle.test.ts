/** 10,000 mutated trust policies: what verification takes for the declared one lets in nobody else. */
import { expect, test } from "vitest";
import { ROLE_MODES } from "./src/audiences.ts";
import { MUTANTS_PER_ROLE_MODE, SEED } from "./src/mutation-run.ts";
import { compareTrustPolicies } from "./src/trust.ts";

test.each(ROLE_MODES)(
  "no mutated trust policy in role mode %s is taken for the declared one and means another",
  (roleMode) => {
    const { unsafe, takenForDeclared, takenForAnother, refused } = compareTrustPolicies(
      roleMode,
      MUTANTS_PER_ROLE_MODE,
      SEED,
    );
    console.log(
      `role mode ${roleMode}, seed ${SEED}: ${MUTANTS_PER_ROLE_MODE} mutated trust policies, ` +
        `${takenForDeclared} taken for the declared one, ${takenForAnother} for another; ${unsafe.length} unsafe; ` +
        `no policies for the engine: ${refused.declared} taken for the declared one, ${refused.another} for another`,
    );
    expect(unsafe).toEqual([]);
    expect(takenForDeclared).toBeGreaterThan(MUTANTS_PER_ROLE_MODE / 40);
  },
);
