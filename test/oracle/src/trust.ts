/**
 * Mutated trust policies: whatever verification takes for the declared one, in another spelling, must let the same callers
 * take on the role in the same sessions.
 */
import {
  CANARY_TENANT_IDS,
  type InspectedRole,
  type PolicyDocument,
  type RoleMode,
  type StageContext,
  samePolicy,
  sharedTrustPolicy,
  tenantTrustPolicy,
  verifySharedRole,
} from "@tenantkeys/core";
import { audiencesOf, type NamedAudience } from "./audiences.ts";
import { type Caller, callersOf, identityPoliciesOf } from "./callers.ts";
import { isAllowed, refusal } from "./engine.ts";
import { mutantOf } from "./mutate.ts";
import { randomOf } from "./random.ts";

/** What a session asks to be tagged with. */
const TAGS: readonly Readonly<Record<string, string>>[] = [
  {},
  { tenant: "" },
  { tenant: "acme" },
  { tenant: "globex" },
  ...CANARY_TENANT_IDS.slice(0, 1).map((tenant) => ({ tenant })),
  { tenant: "acme", role: "admin" },
  { role: "admin" },
];
const ACTIONS = ["sts:AssumeRole", "sts:TagSession", "sts:AssumeRoleWithSAML"];
/** One of each kind of caller: which tenant somebody is doesn't matter before they have taken on its role. */
const CALLERS = new Set([
  "another tenant",
  "the application",
  "the canary",
  "the provisioner",
  "any role of the account",
  "a user of the account",
  "the root user",
  "a role of an account that no profile names",
  "S3 as itself",
  "nobody, without a signature",
]);
const SPELLING_ONE_IN = 8;

export interface TrustComparison {
  /** Taken for the declared one, but the engine lets others take on the role by it than by the declared one. */
  readonly unsafe: readonly string[];
  /** Of these, all were put to the engine. */
  readonly takenForDeclared: number;
  readonly takenForAnother: number;
  /** No policy to the engine, so never in force, by what we take it for. */
  readonly refused: { readonly declared: number; readonly another: number };
}

/** Changes that leave most documents what they were, so that enough of them are taken for the declared one. */
const SPELLINGS = new Set([
  "another spelling",
  "statements in another order",
  "one statement as an object",
  "an older version",
]);

function declaredTrustPolicy({ context, tenantId }: NamedAudience): PolicyDocument {
  return context.roleMode === "session-tag" ? sharedTrustPolicy(context) : tenantTrustPolicy(context, tenantId);
}

export function compareTrustPolicies(roleMode: RoleMode, count: number, seed: number): TrustComparison {
  const audience = audiencesOf(roleMode)[0] as NamedAudience;
  const declared = declaredTrustPolicy(audience);
  const asked = questions(audience);
  const expected = asked.map((ask) => ask(declared));
  const random = randomOf(seed);
  const unsafe: string[] = [];
  const counts = { takenForDeclared: 0, takenForAnother: 0 };
  const refused = { declared: 0, another: 0 };
  for (let index = 0; index < count; index++) {
    const { policy, changes } = mutantOf(declared, random, index % SPELLING_ONE_IN === 0 ? SPELLINGS : undefined);
    const kind = verdictOf(policy, declared, audience.context);
    const isPolicy = refusal(policy) === undefined;
    if (!isPolicy) refused[kind === "another" ? "another" : "declared"]++;
    else counts[kind === "another" ? "takenForAnother" : "takenForDeclared"]++;
    if (kind === "another") continue;
    // Also where the engine refuses the document, as far as it can be read: AWS might take what the engine doesn't.
    const mustBeEqual = isPolicy && kind === "declared";
    const isWrong = (answer: boolean, place: number) =>
      mustBeEqual ? answer !== expected[place] : answer && !expected[place];
    if (asked.some((ask, place) => isWrong(isPolicy ? ask(policy) : asFarAsReadable(ask, policy), place))) {
      unsafe.push(`${roleMode}, after ${changes.join(", ")}: ${JSON.stringify(policy)}`);
    }
  }
  return { unsafe, ...counts, refused };
}

/** The engine throws at what it can't read: nobody takes on a role by such a document. */
function asFarAsReadable(ask: (policy: unknown) => boolean, policy: unknown): boolean {
  try {
    return ask(policy);
  } catch {
    return false;
  }
}

/** Each asks whether a caller may take on the role in a session of some tags. */
function questions(audience: NamedAudience): readonly ((policy: unknown) => boolean)[] {
  const callers = callersOf(audience).filter(({ name }) => CALLERS.has(name));
  return callers.flatMap((caller) =>
    TAGS.flatMap((tags) =>
      ACTIONS.map((action) => (policy: unknown) => mayAssume(policy, audience, { caller, tags, action })),
    ),
  );
}

interface Assumption {
  readonly caller: Caller;
  readonly tags: Readonly<Record<string, string>>;
  readonly action: string;
}

function mayAssume(policy: unknown, { principalArn }: NamedAudience, { caller, tags, action }: Assumption): boolean {
  const names = Object.keys(tags);
  const requested = Object.fromEntries(Object.entries(tags).map(([name, value]) => [`aws:RequestTag/${name}`, value]));
  return isAllowed(policy, {
    principal: caller.principal,
    action,
    resource: principalArn,
    accountId: "111122223333",
    context: { ...caller.keys, ...requested, ...(names.length === 0 ? {} : { "aws:TagKeys": names }) },
    identityPolicies: identityPoliciesOf(caller),
  });
}

/** What verification says of it: the declared one, one that lacks only principals that are gone, or another. */
function verdictOf(
  policy: unknown,
  declared: PolicyDocument,
  context: StageContext,
): "declared" | "narrower" | "another" {
  if (samePolicy(policy, declared)) return "declared";
  if (context.roleMode !== "session-tag") return "another";
  const role: InspectedRole = {
    arn: context.sharedTenantRoleArn,
    path: "/tenantkeys/",
    tags: {},
    trustPolicy: policy,
    boundaryArn: context.tenantBoundaryArn,
    policyNames: [],
    inlinePolicies: {},
    attachedPolicyArns: [],
  };
  const findings = verifySharedRole(role, context);
  return findings.some(({ ruleId }) => ruleId === "role-trust-policy-differs") ? "another" : "narrower";
}
