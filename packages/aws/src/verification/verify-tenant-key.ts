/**
 * Verifies one tenant key: what is declared, what AWS has, what follows, and what that changes in the findings. A worker
 * may change the key at the same time, so a judgement counts only if the registry is after the look as it was before.
 */
import {
  ALIAS_RULES,
  type DesiredTenantKey,
  type ErrorCode,
  type Finding,
  finding,
  findingId,
  type InspectedTenantKey,
  judgesNothing,
  type KeyName,
  type KeyRecord,
  type PolicyOpinion,
  RULE_IDS,
  type RuleId,
  TENANT_KEY_RULES,
  type TenantId,
  TenantKeysError,
  type Verdict,
  verifyTenantKey,
} from "@tenantkeys/core";
import { type DeclaredState, declaredState } from "../declared-state.ts";
import type { Known } from "../registry.ts";
import type { Run } from "../run.ts";
import { type BulkFacts, inspectTenantKey } from "./inspect-tenant-key.ts";
import { judgePolicy } from "./judge-policy.ts";
import type { FindingChanges, InspectionDepth, VerifiedTenantKey, VerifyPorts } from "./ports.ts";

/** A key that a worker has in hand each time is left to the next sweep: it is being put right. */
const LOOKS_MAX = 3;
const LOOK_AGAIN_DELAY_MS = 1_000;

const NO_CHANGES: FindingChanges = { opened: [], stillOpen: [], closed: [] };
const UNJUDGED: Verdict = { findings: [], unjudged: RULE_IDS, attributes: undefined };
const WHOLE_DEPTH: InspectionDepth = { grants: true, rotations: true };

const JUDGED: readonly RuleId[] = [...TENANT_KEY_RULES, "public-access"];

interface VerifiedKeyName {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
}

type Look =
  | {
      readonly kind: "judged";
      readonly known: Known;
      readonly verdict: Verdict;
      readonly inspected?: InspectedTenantKey;
      readonly policyOpinion?: PolicyOpinion | undefined;
    }
  /** Nothing is declared under this name. */
  | { readonly kind: "unknown" }
  /** `busy`: a worker has the key in hand, or had it meanwhile. `doubted`: the lists say that alias or role are wrong. */
  | { readonly kind: "again"; readonly known: Known; readonly why: "busy" | "doubted" };

/**
 * @param bulk what was read in bulk, a few minutes ago; what follows from it is read again before it counts
 * @throws TenantKeysError where nothing can be verified: the registry or the auditor's role can't be had, or the time is spent
 */
export async function verifyTenantKeyNow(
  ports: VerifyPorts,
  run: Run,
  tenantId: TenantId,
  keyName: KeyName,
  depth: InspectionDepth,
  bulk?: BulkFacts,
): Promise<VerifiedTenantKey> {
  const name = { tenantId, keyName };
  let facts = bulk;
  let known: Known = { record: undefined, tenant: undefined };
  for (let looks = 1; looks <= LOOKS_MAX; looks++) {
    const look = await lookOnce(ports, run, name, depth, facts);
    if (look.kind === "unknown") break;
    known = look.known;
    if (look.kind === "judged") {
      const verified = await take(ports, run, name, depth, look);
      const isPartial = !depth.grants || !depth.rotations;
      return isPartial && leavesDoubt(verified, keyName)
        ? verifyTenantKeyNow(ports, run, tenantId, keyName, WHOLE_DEPTH)
        : verified;
    }
    if (look.why === "doubted") facts = undefined;
    else if (looks < LOOKS_MAX) await run.clock.sleep(LOOK_AGAIN_DELAY_MS * looks);
  }
  return { record: known.record, verdict: UNJUDGED, changes: NO_CHANGES };
}

/** What couldn't be read once and may be readable by now, which a partial check doesn't ask: it would stay open for days. */
function leavesDoubt({ verdict, changes }: VerifiedTenantKey, keyName: KeyName): boolean {
  const found = new Set(verdict.findings.map(findingId));
  // The tenant's other keys have theirs among what is open.
  const isOfKey = (open: Finding) => open.keyName === keyName && open.ruleId === "could-not-verify";
  return (
    verdict.attributes !== undefined && changes.stillOpen.some((open) => isOfKey(open) && !found.has(open.findingId))
  );
}

async function lookOnce(
  ports: VerifyPorts,
  run: Run,
  name: VerifiedKeyName,
  depth: InspectionDepth,
  bulk: BulkFacts | undefined,
): Promise<Look> {
  const { registry, quota } = ports;
  const known = await readKnown(ports, run, name);
  if (known instanceof TenantKeysError) return unreadable({ record: undefined, tenant: undefined }, name, known);
  const { record, tenant, tenantKeys } = known;
  if (record === undefined) return { kind: "unknown" };
  const nowMs = run.clock.nowMs();
  if (record.leaseUntilMs > nowMs) return { kind: "again", known, why: "busy" };
  const declared = declare(ports, name, known, nowMs);
  if (declared instanceof TenantKeysError) return unreadable(known, name, declared);
  const { desired, target } = declared;
  const inspected = await inspectTenantKey(ports, { run, quota }, { desired, record, depth, bulk });
  const verdict = verifyTenantKey({ desired, record, tenant, target, inspected, tenantKeys, nowMs });
  if (bulk !== undefined && verdict.findings.some((found) => restsOnLists(found, desired))) {
    return { kind: "again", known, why: "doubted" };
  }
  const { verdict: whole, policyOpinion } = await withPolicyOpinion(ports, run, verdict, {
    ...name,
    desired,
    record,
    inspected,
  });
  const [recordNow, tenantNow] = await Promise.all([
    registry.get(run, name.tenantId, name.keyName),
    registry.getTenant(run, name.tenantId),
  ]);
  const isSame = recordNow?.fence === record.fence && tenantNow?.version === tenant?.version;
  return isSame
    ? { kind: "judged", known, verdict: whole, inspected, policyOpinion }
    : { kind: "again", known, why: "busy" };
}

/**
 * Only such a finding has alias and role read again: after a changed setting every key's policy differs, and IAM's rates
 * would let no sweep end that read every role again for it.
 */
function restsOnLists({ ruleId, resource }: Finding, { ownRole }: DesiredTenantKey): boolean {
  return resource === ownRole.arn || (ALIAS_RULES as readonly RuleId[]).includes(ruleId);
}

/** Of a key that a worker has in hand nothing was judged, and so its policy isn't asked about either. */
async function withPolicyOpinion(
  ports: VerifyPorts,
  run: Run,
  verdict: Verdict,
  inspected: Parameters<typeof judgePolicy>[2],
): Promise<{ readonly verdict: Verdict; readonly policyOpinion: PolicyOpinion | undefined }> {
  if (verdict.unjudged.includes("key-policy-not-contained")) {
    return { verdict: { ...verdict, unjudged: [...verdict.unjudged, "public-access"] }, policyOpinion: undefined };
  }
  const { findings, unjudged, opinion } = await judgePolicy(ports, run, inspected);
  const whole = {
    ...verdict,
    findings: [...verdict.findings, ...findings],
    unjudged: [...verdict.unjudged, ...unjudged],
  };
  return { verdict: whole, policyOpinion: opinion };
}

interface KnownWithSiblings extends Known {
  /** All keys of the tenant; undefined where one of the others can't be read, which is that one's finding. */
  readonly tenantKeys: readonly KeyRecord[] | undefined;
}

/** @returns the error where an item isn't as tenantkeys wrote it: that is a finding, and no end of other keys' checks */
async function readKnown(
  { registry }: VerifyPorts,
  run: Run,
  { tenantId, keyName }: VerifiedKeyName,
): Promise<KnownWithSiblings | TenantKeysError> {
  try {
    const [tenantKeys, tenant] = await Promise.all([
      registry.keysOfTenant(run, tenantId).catch(unlessInvalid),
      registry.getTenant(run, tenantId),
    ]);
    const record =
      tenantKeys === undefined
        ? await registry.get(run, tenantId, keyName)
        : tenantKeys.find((key) => key.keyName === keyName);
    return { record, tenant, tenantKeys };
  } catch (error) {
    if (isCode(error, "record_invalid")) return error;
    throw error;
  }
}

function unlessInvalid(error: unknown): undefined {
  if (!isCode(error, "record_invalid")) throw error;
}

function isCode(error: unknown, code: ErrorCode): error is TenantKeysError {
  return error instanceof TenantKeysError && error.code === code;
}

/** @returns the error where the stage has no such profile any more, so that nobody can say what the key should be */
function declare(
  ports: VerifyPorts,
  { tenantId, keyName }: VerifiedKeyName,
  known: Known,
  nowMs: number,
): DeclaredState | TenantKeysError {
  try {
    return declaredState(ports, tenantId, keyName, known, nowMs);
  } catch (error) {
    if (isCode(error, "settings_invalid")) return error;
    throw error;
  }
}

function unreadable(known: Known, name: VerifiedKeyName, { message: seen }: TenantKeysError): Look {
  const resource = `registry: ${name.tenantId}/${name.keyName}`;
  const expected = "a record, and a profile of the stage, that say what the key should be";
  const found = finding("could-not-verify", { ...name, resource, expected, seen });
  return { kind: "judged", known, verdict: { ...UNJUDGED, findings: [found] } };
}

async function take(
  ports: VerifyPorts,
  run: Run,
  name: VerifiedKeyName,
  depth: InspectionDepth,
  { known, verdict, inspected, policyOpinion }: Extract<Look, { readonly kind: "judged" }>,
): Promise<VerifiedTenantKey> {
  const { findings, unjudged, attributes } = verdict;
  const changes = await ports.findings.record(run, { ...name, judged: JUDGED, unjudged }, findings);
  if (inspected !== undefined && !judgesNothing(verdict)) {
    const verifiedAtMs = run.clock.nowMs();
    const readAt = (part: "grants" | "rotations") =>
      depth[part] && inspected.keys.some((key) => key.kind === "present" && key[part].kind === "read")
        ? verifiedAtMs
        : undefined;
    const times = { verifiedAtMs, grantsReadAtMs: readAt("grants"), rotationsReadAtMs: readAt("rotations") };
    await ports.statuses.record(run, { ...name, ...times, attributes, policyOpinion });
  }
  return { record: known.record, verdict, changes };
}
