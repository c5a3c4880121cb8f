/** Who may become a tenant's role beside the application roles in a session tagged with that tenant. */
import type { DesiredRole } from "../desired-state.ts";
import type { RoleArn } from "../ids.ts";
import { samePolicy } from "../policy-document.ts";
import type { InspectedRole, Reading } from "../verification/inspection.ts";
import {
  awsPrincipals,
  isDeadPrincipal,
  isRecord,
  statementsOf,
  withoutPrincipals,
} from "../verification/rules/principals.ts";
import { type Crowd, letInAnybody, letInByTrust } from "./let-in.ts";
import type { Breach } from "./proof.ts";
import { placeOf } from "./role-reach.ts";

export type TrustVerdict =
  | { readonly kind: "judged"; readonly breaches: readonly Breach[] }
  | { readonly kind: "unread"; readonly reason: string };

const DOCUMENT_ELEMENTS = new Set(["Version", "Id", "Statement"]);

type WantedRole = Pick<DesiredRole, "arn" | "trustPolicy">;

/** A role that isn't there, or another one of its name, is nobody's to become: key policies don't mean it. */
export function judgeTrust(crowd: Crowd, role: Reading<InspectedRole | undefined>, wanted: WantedRole): TrustVerdict {
  if (role.kind !== "read") return { kind: "unread", reason: unreadText(role, `role ${wanted.arn}`) };
  if (role.value === undefined || role.value.arn !== wanted.arn) return { kind: "judged", breaches: [] };
  const { trustPolicy, arn } = role.value;
  if (!isRecord(trustPolicy)) return { kind: "judged", breaches: [whole(crowd, arn, trustPolicy)] };
  const isOdd = Object.keys(trustPolicy).some((element) => !DOCUMENT_ELEMENTS.has(element));
  const breaches = statementsOf(trustPolicy).flatMap((statement, index) => {
    // Nobody can be a principal that is gone.
    const [living] = statementsOf(withoutPrincipals({ Statement: [statement] }, isDeadPrincipal));
    if (living === undefined || isDeny(living) || isOurs(living, wanted)) return [];
    const { who, tenants } = letInByTrust(crowd, living);
    return [breach(arn, placeOf(statement, index), statement, who, tenants)];
  });
  return { kind: "judged", breaches: isOdd ? [whole(crowd, arn, trustPolicy), ...breaches] : breaches };
}

function whole(crowd: Crowd, arn: RoleArn, document: unknown): Breach {
  const { who, tenants } = letInAnybody(crowd);
  return breach(arn, "(whole)", document, who, tenants);
}

function breach(
  resource: RoleArn,
  statement: string,
  document: unknown,
  letsIn: Breach["letsIn"],
  tenants: Breach["tenants"],
): Breach {
  const reason = "isn't the stage's: application roles, in a session tagged with its tenant";
  return { kind: "trust-policy", resource, statement, reason, document, letsIn, tenants };
}

function isDeny(statement: unknown): boolean {
  return isRecord(statement) && statement.Effect === "Deny";
}

/** To the letter, whatever it is called, and for some of the application roles at least. */
function isOurs(statement: unknown, { trustPolicy }: WantedRole): boolean {
  const named = awsPrincipals({ Statement: [statement] });
  return trustPolicy.Statement.some((ours) => {
    const trusted = awsPrincipals({ Statement: [ours] });
    if (named.length === 0 || !named.every((name) => trusted.includes(name)) || !isRecord(statement)) return false;
    return samePolicy({ ...statement, Sid: ours.Sid }, { ...ours, Principal: { AWS: named } });
  });
}

/** Why a read says nothing. @param what was to be read */
export function unreadText(reading: Exclude<Reading<unknown>, { readonly kind: "read" }>, what: string): string {
  switch (reading.kind) {
    case "skipped":
      return `not read: ${what}`;
    case "unsupported":
      return `this endpoint can't read ${what}`;
    default:
      return `${reading.operation} ${reading.kind}: ${reading.reason}`;
  }
}
