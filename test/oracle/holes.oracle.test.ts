/** A containment check with a hole is found out by far fewer mutated policies than ours is tried with. */
import { checkContainment, type RoleMode } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { ROLE_MODES } from "./src/audiences.ts";
import { type Check, compareMutants } from "./src/compare.ts";
import type { Json } from "./src/mutate.ts";
import { SEED } from "./src/mutation-run.ts";

const BATCH = 100;
const BATCHES_MAX = 20;

/** Ours, but it looks at another document than the one that is put. */
const blindTo =
  (overlook: (statement: Json) => Json | undefined): Check =>
  (policy, audience) => {
    const { Statement, ...rest } = policy as Json;
    const seen = [Statement].flat().flatMap((one) => (isStatement(one) ? (overlook(one) ?? []) : [one]));
    return checkContainment({ ...rest, Statement: seen }, audience);
  };
const isStatement = (value: unknown): value is Json => typeof value === "object" && value !== null;
const textOf = (value: unknown): string => JSON.stringify(value ?? null);

const HOLES: readonly (readonly [string, Check])[] = [
  ["everybody as principal", blindTo((one) => (textOf(one.Principal).includes('"*"') ? undefined : one))],
  ["the account's root as principal", blindTo((one) => (textOf(one.Principal).includes(":root") ? undefined : one))],
  ["NotPrincipal", blindTo((one) => (one.NotPrincipal === undefined ? one : undefined))],
  ["NotAction", blindTo((one) => (one.NotAction === undefined ? one : undefined))],
  ["every action at once", blindTo((one) => (textOf(one.Action).includes('"kms:*"') ? undefined : one))],
  ["IfExists behind an operator", blindTo((one) => JSON.parse(textOf(one).replaceAll("IfExists", "")))],
];

test.each(HOLES)("a check that overlooks %s is found out", (_name, check) => {
  for (let batch = 0; batch < BATCHES_MAX; batch++) {
    const roleMode = ROLE_MODES[batch % ROLE_MODES.length] as RoleMode;
    if (compareMutants(roleMode, BATCH, SEED + batch, check).unsafe.length > 0) return;
  }
  expect.unreachable(`nothing found among ${BATCH * BATCHES_MAX} mutated policies`);
});
