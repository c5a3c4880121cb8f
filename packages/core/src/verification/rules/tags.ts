/** Whether the tags of a key say whose it is: the stage, the tenant, the key, and the attempt that made it. */
import { ATTEMPT_TAG, hasTags, STAGE_TAG, type Tags } from "../../names.ts";
import { type Facts, listed, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedKey } from "../inspection.ts";
import { type Judgement, judged, whenRead } from "../judgement.ts";

export const KEY_TAG_RULES = ["key-tags-differ", "stage-mismatch"] as const satisfies readonly RuleId[];

export function judgeKeyTags(facts: Facts, key: InspectedKey): Judgement {
  if (facts.isOwnKey || key.kind === "absent") return judged();
  return whenRead(key.tags, key.keyArn, KEY_TAG_RULES, (tags) => {
    const { keyOwnership } = facts.desired;
    const attempt = key.keyArn === facts.record.keyArn ? attemptFault(facts, key.keyArn, tags) : undefined;
    return judged([
      stageMismatch(facts, key.keyArn, tags),
      tagsDiffer(facts, "key-tags-differ", key.keyArn, tags, keyOwnership, attempt),
    ]);
  });
}

/** Of another stage by its tag, though this stage's registry or name says ours. */
export function stageMismatch(facts: Facts, resource: string, tags: Tags): Finding | undefined {
  const { stage } = facts.desired.context;
  const tagged = tags[STAGE_TAG];
  if (tagged === undefined || tagged === stage) return undefined;
  const expected = `${STAGE_TAG} = "${stage}"`;
  return report(facts, "stage-mismatch", resource, { expected, seen: `${STAGE_TAG} = "${tagged}"` });
}

/** Another stage's name in the stage's tag is a finding of its own, and not told twice. */
export function tagsDiffer(
  facts: Facts,
  ruleId: "key-tags-differ" | "role-tags-differ",
  resource: string,
  tags: Tags,
  wanted: Tags,
  fault?: string | undefined,
): Finding | undefined {
  const others = Object.entries(wanted).filter(([name]) => name !== STAGE_TAG || tags[STAGE_TAG] === undefined);
  const differing = others.filter(([name, value]) => !hasTags(tags, { [name]: value })).map(([name]) => name);
  const faults = [
    ...differing.map((name) => (tags[name] === undefined ? `no ${name}` : `${name} = "${tags[name]}"`)),
    ...(fault === undefined ? [] : [fault]),
  ];
  if (faults.length === 0) return undefined;
  const expected = Object.entries(wanted).map(([name, value]) => `${name} = "${value}"`);
  return report(facts, ruleId, resource, { expected: listed(expected), seen: listed(faults) });
}

/** Provisioning takes a key for the tenant's only if an attempt made it that the registry knows. */
function attemptFault({ record: { attempts } }: Facts, keyArn: string, tags: Tags): string | undefined {
  const tagged = tags[ATTEMPT_TAG];
  const attempt = attempts.find(({ attemptId }) => attemptId === tagged);
  if (attempt !== undefined && (attempt.keyArn ?? keyArn) === keyArn) return undefined;
  return tagged === undefined ? `no ${ATTEMPT_TAG}` : `${ATTEMPT_TAG} = "${tagged}", which didn't make it`;
}
