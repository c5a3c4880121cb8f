/**
 * Whether a key has grants that its profile doesn't allow. A grant lets its grantee use a key past the key's policy, so
 * none is right but those that AWS services make for a tenant whose profile says `serviceGrants`.
 * https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
 */
import type { DesiredTenantKey } from "../../desired-state.ts";
import { accountPrincipal } from "../../key-policy.ts";
import { type Facts, listed, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedKey, ObservedGrant } from "../inspection.ts";
import { type Judgement, judged, whenRead } from "../judgement.ts";
import { isDeadPrincipal, isSessionOfService } from "./principals.ts";

export const GRANT_RULES = ["grant-foreign", "grant-stale"] as const satisfies readonly RuleId[];

export function judgeGrants(facts: Facts, key: InspectedKey): Judgement {
  if (facts.isOwnKey || key.kind === "absent") return judged();
  return whenRead(key.grants, key.keyArn, GRANT_RULES, (grants) => {
    const of = (kind: GrantKind) => grants.filter((grant) => grantKind(grant, facts.desired, facts.isLeaving) === kind);
    return judged([
      told(facts, "grant-foreign", key.keyArn, of("foreign")),
      told(facts, "grant-stale", key.keyArn, of("stale")),
    ]);
  });
}

/** `stale`: it is of no use any more, as its grantee is gone, or its tenant is leaving. */
export type GrantKind = "allowed" | "foreign" | "stale";

export function grantKind(
  grant: ObservedGrant,
  { profile, context }: Pick<DesiredTenantKey, "profile" | "context">,
  isLeaving: boolean,
): GrantKind {
  if (isDeadPrincipal(grant.granteePrincipal)) return "stale";
  const ofService = profile.serviceGrants && isService(grant.granteePrincipal);
  // Another account's principals come through the profile's `outsideAccounts`, which may not make grants.
  const ofThisAccount = [context.accountId as string, accountPrincipal(context.accountId)].includes(
    grant.issuingAccount,
  );
  if (!ofService || !ofThisAccount) return "foreign";
  return isLeaving ? "stale" : "allowed";
}

/** As KMS shows them: `dynamodb.eu-west-1.amazonaws.com`, and sessions of EC2's own. */
function isService(principal: string): boolean {
  return /^[a-z0-9.-]+\.amazonaws\.com$/.test(principal) || isSessionOfService(principal);
}

function told(
  facts: Facts,
  ruleId: "grant-foreign" | "grant-stale",
  keyArn: string,
  grants: readonly ObservedGrant[],
): Finding | undefined {
  if (grants.length === 0) return undefined;
  const { serviceGrants } = facts.desired.profile;
  const expected = serviceGrants && !facts.isLeaving ? "grants by AWS services for its tenant only" : "no grants";
  const seen = grants.map(
    ({ grantId, granteePrincipal, operations }) => `${grantId} to ${granteePrincipal}: ${operations.join(", ")}`,
  );
  return report(facts, ruleId, keyArn, { expected, seen: listed(seen) });
}
