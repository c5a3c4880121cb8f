/**
 * What a role's own policies may let it do with keys. It errs on the side of "may": a condition, an action or a document
 * that isn't understood counts as allowing, since only what certainly refuses can stand in a proof.
 */
import type { KeyArn } from "../ids.ts";
import type { InspectedRole, Reading } from "../verification/inspection.ts";
import { isRecord, statementsOf } from "../verification/rules/principals.ts";

/** One statement of a role's inline policy that may allow something of KMS. */
interface KeyStatement {
  readonly place: string;
  /** Undefined: any resource, or none that can be told. */
  readonly resources: readonly string[] | undefined;
}

/** Whether the role's policies may let it use the key, should the key's policy leave that to IAM. */
export function mayReach(role: Reading<InspectedRole | undefined>, keyArn: KeyArn): boolean {
  if (role.kind !== "read") return true;
  if (role.value === undefined) return false;
  // Attached policies aren't read: they may allow anything that the boundary lets through.
  if (role.value.attachedPolicyArns.length > 0) return true;
  return keyStatements(role.value).some(
    ({ resources }) => resources === undefined || resources.some((pattern) => mayMatch(pattern, keyArn)),
  );
}

/** What of the role's inline policies names keys beside its tenant's own: the key policies still refuse those. */
export function keysBeyond(role: InspectedRole, ownKeyArns: readonly KeyArn[]): readonly string[] {
  const own = new Set(ownKeyArns.map(wherever));
  return keyStatements(role).flatMap(({ place, resources }) => {
    if (resources === undefined) return [`${place} may reach any key`];
    const others = resources.filter((resource) => !own.has(wherever(resource)));
    const [first] = others;
    if (first === undefined) return [];
    const more = others.length > 1 ? ` and ${others.length - 1} more` : "";
    return [`${place} reaches beyond its tenant's keys: ${first}${more}`];
  });
}

/** A multi-Region key and its replicas are one key to the tenant: the ARN without its Region. */
function wherever(keyArn: string): string {
  const [arn, partition, service, region, ...rest] = keyArn.split(":");
  return [arn, partition, service, rest.at(-1)?.startsWith("key/mrk-") === true ? "" : region, ...rest].join(":");
}

function keyStatements(role: InspectedRole): readonly KeyStatement[] {
  const names = [...new Set([...Object.keys(role.inlinePolicies), ...role.policyNames])];
  return names.flatMap((name) => {
    const document = role.inlinePolicies[name];
    if (!isRecord(document)) return [{ place: `policy ${name}`, resources: undefined }];
    return statementsOf(document).flatMap((statement, index) => {
      const place = `policy ${name} ${placeOf(statement, index)}`;
      if (!isRecord(statement)) return [{ place, resources: undefined }];
      if (statement.Effect === "Deny" || !mayBeAboutKeys(statement)) return [];
      return [{ place, resources: resourcesOf(statement) }];
    });
  });
}

/** The statement's Sid, or its place such as `#2`. */
export function placeOf(statement: unknown, index: number): string {
  return isRecord(statement) && typeof statement.Sid === "string" ? statement.Sid : `#${index + 1}`;
}

function mayBeAboutKeys(statement: Readonly<Record<string, unknown>>): boolean {
  const actions = textsOf(statement.Action);
  if (actions === undefined || statement.NotAction !== undefined) return true;
  return actions.some((action) => {
    const service = action.toLowerCase().split(":")[0] ?? "";
    return mayMatch(service, "kms") || action === "*";
  });
}

function resourcesOf(statement: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  const resources = textsOf(statement.Resource);
  if (resources === undefined || statement.NotResource !== undefined) return undefined;
  // A policy variable stands for a text that only the session knows.
  return resources.some((resource) => resource.includes("${")) ? undefined : resources;
}

/** Undefined where it isn't a text or a list of texts, or isn't there. */
export function textsOf(value: unknown): readonly string[] | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.every((item) => typeof item === "string") ? list : undefined;
}

/**
 * IAM's patterns: `*` for any characters, `?` for one. Goes back to the last `*` only, so that no pattern takes longer than
 * its length times the text's. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 */
function mayMatch(pattern: string, text: string): boolean {
  let at = 0;
  let inText = 0;
  let star = -1;
  let afterStar = 0;
  while (inText < text.length) {
    if (pattern[at] === "*") {
      star = at++;
      afterStar = inText;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[inText])) {
      at++;
      inText++;
    } else if (star >= 0) {
      at = star + 1;
      inText = ++afterStar;
    } else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}
