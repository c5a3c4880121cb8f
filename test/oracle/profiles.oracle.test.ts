/**
 * The policies of every profile, in all their forms and both role modes: what our check says of them, and what an engine
 * that isn't ours lets every caller do by them.
 */
import { checkContainment } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { audiencesOf, FORMS, type Form, policyOf, ROLE_MODES } from "./src/audiences.ts";
import { excessSearch, mayDo } from "./src/excess.ts";
import { isMeant } from "./src/meant.ts";
import { type Circumstances, KEY_ACTIONS } from "./src/requests.ts";

const cases = ROLE_MODES.flatMap(audiencesOf).flatMap((audience) => FORMS.map((form) => ({ audience, form })));

/** A policy that lets no tenant in has no condition on how its key is called. */
function tried(form: Form, all: readonly Circumstances[]): readonly Circumstances[] {
  return form === "admitted" ? all : all.slice(0, 1);
}

describe.each(cases)("$audience.name: the $form policy", ({ audience, form }) => {
  const policy = policyOf(form, audience);

  test("is contained", () => {
    expect(checkContainment(policy, audience)).toEqual({ kind: "contained" });
  });

  test("lets everybody do exactly what is meant, in the engine's opinion too", () => {
    const { callers, circumstances } = excessSearch(audience);
    const differences: string[] = [];
    let allowed = 0;
    for (const caller of callers) {
      for (const action of KEY_ACTIONS) {
        for (const how of tried(form, circumstances.get(action) ?? [])) {
          const decision = mayDo(policy, { caller, action, circumstances: how });
          if (decision) allowed++;
          const meant = isMeant(form, audience, { kind: caller.kind, action, circumstances: how });
          if (decision !== meant) differences.push(`${caller.name}, ${action} ${how.name}: ${decision}`);
        }
      }
    }
    expect(differences).toEqual([]);
    // The provisioner's and the auditor's own actions: an engine that allows nobody anything would agree as well.
    expect(allowed).toBeGreaterThan(25);
  });
});
