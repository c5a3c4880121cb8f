/** The steps of `npm start`, each one function over what the steps before it learned. */
import { join } from "node:path";
import { type KeptEvent, type Operator, startRun, systemClock } from "@tenantkeys/aws";
import type { KeyRecord } from "@tenantkeys/core";
import { countResources, type ResourceCounts } from "../count-resources.ts";
import { countKeyAndRoleMutations, readCalls, resetCalls } from "../emulator/index.ts";
import { type MatrixResult, type MatrixTenant, proveIsolation } from "../isolation-matrix.ts";
import { type LocalStage, PROJECT_ROOT } from "../local-stage.ts";
import { makeSamples, readSamples, type Sample } from "./sample-events.ts";
import { readOutcomes, waitForOutcomes } from "./wait-for-outcomes.ts";

type OnProgress = (done: number, total: number) => void;

/** Sign-ups handed to the publisher at once; it sends them ten to a call. */
const PUBLISH_CHUNK = 50;

export function loadSamples(tenants: number | undefined): Promise<readonly Sample[]> | readonly Sample[] {
  return tenants === undefined ? readSamples(join(PROJECT_ROOT, "events")) : makeSamples(tenants, Date.now());
}

/** @throws Error where the bus took less than all of them */
async function publishAll(operator: Operator, samples: readonly Sample[]): Promise<void> {
  const run = startRun(systemClock, 600_000, 1_000);
  for (let start = 0; start < samples.length; start += PUBLISH_CHUNK) {
    const events = samples.slice(start, start + PUBLISH_CHUNK).map((sample) => sample.event);
    const outcomes = await operator.publish(run, events, { keepRefused: true });
    const failed = outcomes.find((outcome) => outcome.kind === "failed");
    if (failed !== undefined) throw failed.error;
  }
}

export interface FirstRun {
  readonly records: readonly KeyRecord[];
  readonly refused: readonly KeptEvent[];
  readonly publishedAtMs: number;
  /** Sentences: what came out otherwise than the samples say. */
  readonly problems: readonly string[];
}

/** Sends every sign-up and waits until each is active or refused. */
export async function signUpAll(
  operator: Operator,
  samples: readonly Sample[],
  onProgress: OnProgress,
): Promise<FirstRun> {
  const accepted = samples.filter((sample) => sample.refusedWith === undefined);
  const { refused: refusedBefore } = await readOutcomes(operator);
  const publishedAtMs = Date.now();
  await publishAll(operator, samples);
  const refusals = samples.length - accepted.length;
  const isDone = (record: KeyRecord) =>
    record.leaseUntilMs === 0 && (record.state === "active" || record.state === "failed");
  const expected = { accepted, refused: refusedBefore.length + refusals };
  const { keys, refused } = await waitForOutcomes(operator, expected, isDone, onProgress);
  const before = new Set(refusedBefore.map((kept) => kept.refusalId));
  const newlyRefused = refused.filter((kept) => !before.has(kept.refusalId));
  const records = [...keys.values()];
  return { records, refused: newlyRefused, publishedAtMs, problems: compare(samples, records, newlyRefused) };
}

function compare(
  samples: readonly Sample[],
  records: readonly KeyRecord[],
  refused: readonly KeptEvent[],
): readonly string[] {
  const wantedCodes = samples.flatMap((sample) => sample.refusedWith ?? []).toSorted();
  const gotCodes = refused.map((kept) => kept.code).toSorted();
  const problems = records
    .filter((record) => record.state !== "active")
    .map(
      (record) => `${record.tenantId}/${record.keyName} is ${record.state}: ${record.failure?.message ?? "no reason"}`,
    );
  if (wantedCodes.join() !== gotCodes.join()) {
    problems.push(`refused with ${gotCodes.join(", ")}; the samples say ${wantedCodes.join(", ")}`);
  }
  return problems;
}

/** The matrix over at most `tenantsMax` of the active tenants, evenly chosen. */
export async function tryIsolation(
  stage: LocalStage,
  records: readonly KeyRecord[],
  tenantsMax: number,
  onProgress: OnProgress,
): Promise<MatrixResult & { readonly tenants: number }> {
  const byTenant = Map.groupBy(
    records.filter((record) => record.state === "active"),
    (record) => record.tenantId,
  );
  const all = [...byTenant.values()];
  const stride = Math.max(1, all.length / tenantsMax);
  const chosen = Array.from(
    { length: Math.min(all.length, tenantsMax) },
    (_, index) => all[Math.floor(index * stride)] ?? [],
  );
  const tenants = chosen.map(
    (keys): MatrixTenant => ({
      tenantId: keys[0]?.tenantId ?? "",
      roleArn: keys[0]?.roleArn ?? "",
      keys: keys.map(({ keyName, keyArn }) => ({ keyName, keyArn: keyArn ?? "" })),
    }),
  );
  const result = await proveIsolation({
    at: stage.at,
    tenants,
    application: await stage.application(),
    root: stage.emulator.credentials,
    iam: stage.iam,
    bucket: `tenantkeys-${stage.settings.stage}-demonstration`,
    onProgress,
  });
  return { ...result, tenants: tenants.length };
}

export interface SecondRun {
  readonly counts: ResourceCounts;
  /** KMS and IAM calls that changed something; undefined where the endpoint doesn't count calls. */
  readonly mutations: number | undefined;
  readonly problems: readonly string[];
}

/** Sends every event once more and shows that AWS is as it was. */
export async function sendAgain(
  stage: LocalStage,
  operator: Operator,
  samples: readonly Sample[],
  first: FirstRun,
  onProgress: OnProgress,
): Promise<SecondRun> {
  const { refused: refusedBefore } = await readOutcomes(operator);
  const countsBefore = await countResources(stage.root, stage.settings.stage);
  await resetCalls(stage.emulator.endpoint);
  const before = new Map(first.records.map((record) => [`${record.tenantId}/${record.keyName}`, record]));
  await publishAll(operator, samples);
  const accepted = samples.filter((sample) => sample.refusedWith === undefined);
  const worked = (record: KeyRecord) =>
    record.leaseUntilMs === 0 && record.fence > (before.get(`${record.tenantId}/${record.keyName}`)?.fence ?? 0);
  const refused = refusedBefore.length + samples.length - accepted.length;
  const { keys } = await waitForOutcomes(operator, { accepted, refused }, worked, onProgress);
  const mutations = await readCalls(stage.emulator.endpoint).then(countKeyAndRoleMutations, () => undefined);
  const counts = await countResources(stage.root, stage.settings.stage);
  const problems = [...keys]
    .filter(([name, record]) => record.keyArn !== before.get(name)?.keyArn)
    .map(([name, record]) => `${name} had key ${before.get(name)?.keyArn} and now has ${record.keyArn}`);
  if (JSON.stringify(counts) !== JSON.stringify(countsBefore)) {
    problems.push(`there were ${JSON.stringify(countsBefore)} and now are ${JSON.stringify(counts)}`);
  }
  if (mutations !== undefined && mutations > 0) problems.push(`${mutations} KMS and IAM calls changed something`);
  return { counts, mutations, problems };
}
