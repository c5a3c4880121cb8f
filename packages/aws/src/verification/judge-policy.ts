/** IAM Access Analyzer's part in verifying a tenant key: the policy of the key in use is asked about, once per change. */
import {
  type DesiredTenantKey,
  type InspectedTenantKey,
  judgePolicyAnswer,
  type KeyName,
  type KeyRecord,
  type PolicyOpinion,
  type TenantId,
  ungrantedActions,
  type Verdict,
} from "@tenantkeys/core";
import type { Run } from "../run.ts";
import { askAccessAnalyzer } from "./access-analyzer.ts";
import type { VerifyPorts } from "./ports.ts";

interface InspectedPolicy {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly desired: DesiredTenantKey;
  readonly record: KeyRecord;
  readonly inspected: InspectedTenantKey;
}

type JudgedPolicy = Pick<Verdict, "findings" | "unjudged"> & { readonly opinion?: PolicyOpinion | undefined };

const NOTHING: JudgedPolicy = { findings: [], unjudged: [] };
const UNJUDGED: JudgedPolicy = { findings: [], unjudged: ["public-access"] };

/** @throws TenantKeysError `deadline_near`, `rate_limited`, or what reading the registry throws */
export async function judgePolicy(
  { accessAnalyzer, quota, statuses }: Pick<VerifyPorts, "accessAnalyzer" | "quota" | "statuses">,
  run: Run,
  { tenantId, keyName, desired, record, inspected }: InspectedPolicy,
): Promise<JudgedPolicy> {
  const { keyArn, ownKeyArn } = record;
  // A policy of the tenant's own account isn't ours to read.
  if (accessAnalyzer === undefined || keyArn === undefined || ownKeyArn !== undefined) return NOTHING;
  const key = inspected.keys.find((candidate) => candidate.keyArn === keyArn);
  if (key?.kind !== "present") return NOTHING;
  if (key.policy.kind !== "read") return UNJUDGED;
  const previous = (await statuses.get(run, tenantId, keyName))?.policyOpinion;
  const question = { policy: key.policy.value, ungranted: ungrantedActions(desired), previous };
  const answer = await askAccessAnalyzer({ accessAnalyzer, quota }, run, question);
  const opinion = answer.kind === "answered" ? answer.opinion : undefined;
  return { ...judgePolicyAnswer({ tenantId, keyName, keyArn }, answer), opinion };
}
