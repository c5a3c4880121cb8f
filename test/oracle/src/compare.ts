/** Runs mutated policies past our containment check and the engine, and counts how the two agree. */
import { checkContainment, isDeadPrincipal, type RoleMode, withoutPrincipals } from "@tenantkeys/core";
import { audiencesOf, FORMS, type NamedAudience, policyOf } from "./audiences.ts";
import { refusal } from "./engine.ts";
import { type ExcessSearch, excessSearch, type KeyAttempt } from "./excess.ts";
import { type Json, type Mutant, mutantOf } from "./mutate.ts";
import { randomOf } from "./random.ts";

export interface Comparison {
  readonly documents: number;
  /** We say contained, the engine lets somebody do more: a hole in our check. */
  readonly unsafe: readonly string[];
  readonly bothContained: number;
  readonly bothViolated: number;
  /** We say violated, the engine lets nobody do more, by what stands in the way. */
  readonly safe: ReadonlyMap<string, number>;
  /** No policy to the engine, so never in force, by what we say of it. */
  readonly refused: { readonly contained: number; readonly violated: number };
  /** How often each change was made. */
  readonly changes: ReadonlyMap<string, number>;
}

export type Check = typeof checkContainment;

/** @param check ours, or one with a hole, to see that it would be found */
export function compareMutants(
  roleMode: RoleMode,
  count: number,
  seed: number,
  check: Check = checkContainment,
): Comparison {
  const random = randomOf(seed);
  const subjects = audiencesOf(roleMode).map((audience) => ({ audience, search: excessSearch(audience) }));
  const counts = { bothContained: 0, bothViolated: 0, contained: 0, violated: 0 };
  const unsafe: string[] = [];
  const safe = new Map<string, number>();
  const changes = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const { audience, search } = random.oneOf(subjects);
    // The admitted form has all that can go wrong; the others are parts of it.
    const form = random.oneOf(["admitted", "admitted", ...FORMS] as const);
    const mutant = mutantOf(policyOf(form, audience), random);
    for (const change of mutant.changes) add(changes, change);
    const kind = verdictOf(check, mutant.policy, audience);
    const refused = refusal(mutant.policy) !== undefined;
    if (refused) counts[kind]++;
    // Also where the engine refuses the document, as far as it can be read: AWS might take what the engine doesn't.
    const excess = refused && kind === "violated" ? undefined : firstExcess(search, mutant.policy);
    if (kind === "contained" && excess !== undefined) unsafe.push(describe(audience, mutant, excess));
    if (refused) continue;
    if (kind === "contained") counts.bothContained++;
    else if (excess !== undefined) counts.bothViolated++;
    else add(safe, whyNobody(search, audience, mutant.policy));
  }
  const { bothContained, bothViolated, contained, violated } = counts;
  return { documents: count, unsafe, bothContained, bothViolated, safe, refused: { contained, violated }, changes };
}

/**
 * Contained where provisioning says so or verification does, which doesn't mind principals that are gone: what only one of
 * them lets pass is as dangerous.
 */
function verdictOf(check: Check, policy: unknown, audience: NamedAudience): "contained" | "violated" {
  const verdicts = [policy, withoutPrincipals(policy, isDeadPrincipal)].map((one) => check(one, audience).kind);
  return verdicts.includes("contained") ? "contained" : "violated";
}

/** The engine throws at what it can't read: nobody is let in by such a document. */
function firstExcess({ firstExcess }: ExcessSearch, policy: unknown): KeyAttempt | undefined {
  try {
    return firstExcess(policy);
  } catch (error) {
    if (refusal(policy) === undefined) throw error;
    return undefined;
  }
}

/** The first part of the statements at fault whose absence would let somebody in: that part is why nobody is. */
function whyNobody({ firstExcess }: ExcessSearch, audience: NamedAudience, policy: Json): string {
  const statements = [policy.Statement].flat() as readonly Json[];
  let faulty = statements.filter((one) => checkContainment({ Statement: [one] }, audience).kind === "violated");
  if (firstExcess({ ...policy, Statement: faulty }) !== undefined) return "a Deny of the same document takes it back";
  for (const [reason, open] of WITHOUT) {
    faulty = faulty.map(open);
    if (firstExcess({ ...policy, Statement: faulty }) !== undefined) return reason;
  }
  return "its principals are nobody who can call";
}

const WITHOUT: readonly (readonly [string, (statement: Json) => Json])[] = [
  ["no caller meets its condition", ({ Condition: _condition, ...statement }) => statement],
  ["it names another resource than the key", ({ Resource: _resource, NotResource: _not, ...statement }) => statement],
  ["its actions give nobody more", ({ Action: _action, NotAction: _not, ...rest }) => ({ ...rest, Action: "kms:*" })],
];

function describe({ name }: NamedAudience, { policy, changes }: Mutant, excess: KeyAttempt): string {
  const { caller, action, circumstances } = excess;
  return `${name}: ${caller.name} may ${action} ${circumstances.name}, after ${changes.join(", ")}: ${JSON.stringify(policy)}`;
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
