import { describe, expect, test } from "vitest";
import type { KeyState } from "../observed-state.ts";
import { policyShows, shownBy, stateShows } from "./shown-change.ts";
import type { KmsEvent } from "./touched-key.ts";

const event = (operation: string, policyText?: string) => ({ operation, policyText }) as KmsEvent;

describe("a state shows what was done", () => {
  const shown: readonly (readonly [string, readonly KeyState[]])[] = [
    ["ScheduleKeyDeletion", ["PendingDeletion", "PendingReplicaDeletion"]],
    ["CancelKeyDeletion", ["Enabled", "Disabled", "PendingImport"]],
    ["DisableKey", ["Disabled", "PendingDeletion", "PendingImport"]],
    ["EnableKey", ["Enabled", "PendingDeletion"]],
  ];
  test.each(shown)("%s in %j", (operation, states) => {
    expect(shownBy(event(operation))).toBe("state");
    expect(states.map((state) => stateShows(event(operation), state))).toEqual(states.map(() => true));
  });

  test.each<readonly [string, KeyState]>([
    ["ScheduleKeyDeletion", "Enabled"],
    ["ScheduleKeyDeletion", "Disabled"],
    ["CancelKeyDeletion", "PendingDeletion"],
    ["DisableKey", "Enabled"],
    ["EnableKey", "Disabled"],
  ])("%s not yet in %s", (operation, state) => {
    expect(stateShows(event(operation), state)).toBe(false);
  });
});

test("of other operations nothing is looked for, whatever they are called", () => {
  expect(["TagResource", "CreateGrant", "constructor"].map((operation) => shownBy(event(operation)))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(stateShows(event("constructor"), "Enabled")).toBe(true);
  expect(shownBy(event("PutKeyPolicy"))).toBeUndefined();
});

test("a policy shows where KMS gives back the same in another order, and not where it is another", () => {
  const put = '{"Version":"2012-10-17","Statement":[{"Action":["kms:Sign","kms:Decrypt"],"Effect":"Allow"}]}';
  const event1 = event("PutKeyPolicy", put);
  expect(shownBy(event1)).toBe("policy");
  expect(
    policyShows(event1, '{"Statement":{"Effect":"Allow","Action":["kms:Decrypt","kms:Sign"]},"Version":"2012-10-17"}'),
  ).toBe(true);
  expect(policyShows(event1, '{"Version":"2012-10-17","Statement":[]}')).toBe(false);
});

test("a policy that can't be compared holds nothing up", () => {
  expect(policyShows(event("PutKeyPolicy", "{"), "{}")).toBe(true);
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  expect(policyShows(event("PutKeyPolicy", deep), deep)).toBe(true);
});
