import { expect, test } from "vitest";
import { acceptsSignUp, canFollow, LIFECYCLE_STATES, type LifecycleState } from "./lifecycle.ts";

const FOLLOWS: Record<LifecycleState, readonly LifecycleState[]> = {
  provisioning: ["active", "failed"],
  failed: ["provisioning"],
  active: ["suspended", "pending-deletion"],
  suspended: ["active", "pending-deletion"],
  "pending-deletion": ["suspended", "destroyed"],
  destroyed: [],
};

const pairs = LIFECYCLE_STATES.flatMap((from) => LIFECYCLE_STATES.map((to) => [from, to] as const));

test.each(pairs)("from %s to %s is as documented", (from, to) => {
  expect(canFollow(from, to)).toBe(FOLLOWS[from].includes(to));
});

test("a sign-up undoes nobody's decision: it leaves suspended, dying and destroyed keys alone", () => {
  expect(LIFECYCLE_STATES.filter((state) => !acceptsSignUp(state))).toEqual([
    "suspended",
    "pending-deletion",
    "destroyed",
  ]);
});

test("a key is destroyed only after its deletion was pending, so a window always passes", () => {
  expect(LIFECYCLE_STATES.filter((state) => canFollow(state, "destroyed"))).toEqual(["pending-deletion"]);
});
