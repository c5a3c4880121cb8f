/** Half of the 10,000 mutated key policies: those of role mode `per-tenant`. What comes out is recorded in docs/proof-oracle.md. */
import { test } from "vitest";
import { expectAgreement } from "./src/expect-agreement.ts";

test("no mutated key policy in role mode per-tenant is contained where the engine lets anybody do more than is meant", () => {
  expectAgreement("per-tenant");
});
