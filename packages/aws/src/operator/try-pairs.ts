/**
 * The proof by trying: every tenant's session against its own key, and against the others'. A tenant's own must work;
 * anybody else's must be refused with AccessDenied, and with nothing else: whatever other error comes says nothing about
 * who may, and is counted as not tried.
 */
import { randomBytes } from "node:crypto";
import {
  isCanaryTenant,
  type KeyProfile,
  type KeyProof,
  keyUsage,
  type Pair,
  type RoleArn,
  regionOfKey,
  type StageContext,
  samplePairs,
  type TenantId,
  TenantKeysError,
  tenantEncryptionContext,
  tenantPrincipalArn,
} from "@tenantkeys/core";
import type { ClientOptions } from "../clients.ts";
import { errorName, narrowAwsError } from "../narrow-error.ts";
import { createRateLimiter, type RateLimiter } from "../rate-limiter.ts";
import type { Run } from "../run.ts";
import { type LiveProof, LiveTally, type Tried } from "./live-tally.ts";
import type { Proven } from "./prove.ts";
import { createTenantSessions, type TenantSession, type TenantSessions } from "./tenant-sessions.ts";
import { decryptProbe, encryptProbe, type KeyAttempt, tryUse, useAttempt } from "./try-attempts.ts";

export interface LiveOptions {
  readonly applicationRoleArn: RoleArn;
  /** Pairs of a session and another tenant's key; where there are more, a sample (`samplePairs`). */
  readonly pairsMax: number;
  /** Gets how many sessions have done their part, and of how many. */
  onProgress(done: number, total: number): void;
}

/** Sessions that try side by side, each one call at a time. */
const SESSIONS_AT_ONCE = 16;
/** A twentieth of KMS's smallest quota for symmetric keys, 10,000 a second, which the application's calls count against. */
const KMS_CALLS_PER_SECOND = 500;
const PROBE_BYTES = 32;

interface TriedKey extends Pick<KeyProof, "tenantId" | "keyName" | "keyArn" | "own"> {
  readonly profile: KeyProfile | undefined;
  /** The place of its tenant. */
  readonly owner: number;
  /** What its tenant encrypted; undefined where there is nothing to decrypt, and why. */
  ciphertext?: Uint8Array;
  whyNone: string;
}

interface Trial {
  readonly run: Run;
  readonly context: StageContext;
  readonly tally: LiveTally;
  readonly sessions: TenantSessions;
  readonly kmsTurns: RateLimiter;
  readonly tenants: readonly TenantId[];
  readonly keys: readonly TriedKey[];
}

/** @throws TenantKeysError where the caller can't become the application's role */
export async function tryPairs(
  options: ClientOptions,
  context: StageContext,
  run: Run,
  whole: Proven,
  { applicationRoleArn, pairsMax, onProgress }: LiveOptions,
): Promise<LiveProof> {
  const tally = new LiveTally();
  const proven = { ...whole, tenants: whole.tenants.filter(({ tenantId }) => mayBeTried(tally, context, tenantId)) };
  const sessions = await createTenantSessions(options, run, applicationRoleArn);
  try {
    const tenants = proven.tenants.map(({ tenantId }) => tenantId);
    const kmsTurns = createRateLimiter(KMS_CALLS_PER_SECOND);
    const trial = { run, context, tally, sessions, kmsTurns, tenants, keys: triedKeys(proven) };
    const owners = trial.keys.map(({ owner }) => owner);
    const { pairs, total } = samplePairs(tenants.length, owners, pairsMax);
    const ofSession = Map.groupBy(pairs, ({ session }) => session);
    let done = 0;
    const said = () => onProgress(++done, 2 * tenants.length);
    // First everybody's own: the others then try what was encrypted.
    await eachSession(trial, (session, index) => tryOwn(trial, session, index), said);
    await eachSession(trial, (session, index) => tryOthers(trial, session, index, ofSession.get(index) ?? []), said);
    return trial.tally.result(applicationRoleArn, { tried: pairs.length, total });
  } finally {
    sessions.close();
  }
}

/** No application may be a tenant of the canary's, unless all tenants share a role: the canary tries those itself. */
function mayBeTried(tally: LiveTally, context: StageContext, tenantId: TenantId): boolean {
  if (context.roleMode === "session-tag" || !isCanaryTenant(tenantId)) return true;
  const resource = tenantPrincipalArn(context, tenantId);
  const why = "it is the canary's, which tries it itself: no application may be it";
  tally.notTried({ attempt: "sts:AssumeRole", session: tenantId, tenantId, resource }, why, true);
  return false;
}

function triedKeys({ tenants, proof }: Proven): readonly TriedKey[] {
  const proofs = new Map(proof.keys.map((key) => [key.keyArn, key]));
  return tenants.flatMap(({ keys }, owner) =>
    keys.flatMap(({ keyArn, profile }): readonly TriedKey[] => {
      const found = proofs.get(keyArn);
      return found === undefined ? [] : [{ ...found, profile, owner, whyNone: "nothing was encrypted with it" }];
    }),
  );
}

async function eachSession(
  trial: Trial,
  part: (session: TenantSession, index: number) => Promise<void>,
  onDone: () => void,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < trial.tenants.length) {
      const index = next++;
      const tenantId = trial.tenants[index] as TenantId;
      const session = trial.sessions.of(tenantPrincipalArn(trial.context, tenantId), tenantId);
      try {
        await part(session, index);
      } finally {
        session.close();
      }
      onDone();
    }
  };
  await Promise.all(Array.from({ length: SESSIONS_AT_ONCE }, worker));
}

async function tryOwn(trial: Trial, session: TenantSession, index: number): Promise<void> {
  const keys = trial.keys.filter(({ owner }) => owner === index);
  const tenantId = trial.tenants[index] as TenantId;
  const role = {
    attempt: "sts:AssumeRole",
    session: tenantId,
    tenantId,
    resource: tenantPrincipalArn(trial.context, tenantId),
  } as const;
  const isShut = keys.every(({ own }) => own.kind === "shut");
  const must = isShut ? "shut" : keys.some(({ own }) => own.kind === "allowed") ? "allowed" : "unknown";
  if (!(await ownAttempt(trial, role, must, () => session.credentials()))) {
    const why = "its tenant has no session";
    for (const key of keys) {
      key.whyNone = why;
      for (const attempt of attemptsOf(key)) trial.tally.notTried(triedBy(tenantId, key, attempt), why, isShut);
    }
    return;
  }
  for (const key of keys) await tryOwnKey(trial, session, key);
}

async function tryOwnKey(trial: Trial, session: TenantSession, key: TriedKey): Promise<void> {
  const { tally, run } = trial;
  const { profile, keyArn, tenantId, own } = key;
  const kms = session.kmsIn(regionOfKey(keyArn));
  const turn = () => trial.kmsTurns.takeTurn(run, "kms");
  const options = { abortSignal: run.signal };
  const said = encryptionContext(trial.context, key);
  const why = whyNotByItself(profile);
  if (why !== undefined || profile === undefined) {
    key.whyNone = why ?? "";
    for (const attempt of attemptsOf(key))
      tally.notTried(triedBy(tenantId, key, attempt), key.whyNone, profile !== undefined);
    return;
  }
  if (keyUsage(profile.keySpec) === "ENCRYPT_DECRYPT") {
    const decrypting = triedBy(tenantId, key, "kms:Decrypt");
    await ownAttempt(trial, decrypting, own.kind, async () => {
      await turn();
      const text = randomBytes(PROBE_BYTES);
      key.ciphertext = await encryptProbe(kms, keyArn, text, said, options).catch((error) => {
        key.whyNone = errorName(error);
        throw error;
      });
      if (profile.actions === "encrypt-only") throw new NotByProfile();
      await turn();
      const read = await decryptProbe(kms, keyArn, key.ciphertext, said, options);
      if (!text.equals(read))
        throw new TenantKeysError("aws_unexpected", "kms:Decrypt: gave another text than was encrypted");
    });
  }
  await ownAttempt(trial, triedBy(tenantId, key, useAttempt(profile.keySpec)), own.kind, async () => {
    await turn();
    await tryUse(kms, keyArn, profile, said, options);
  });
}

/** An own decryption that the key's profile leaves out on purpose. */
class NotByProfile extends Error {}

/**
 * @param must by the documents; where they weren't read, a refusal may be right: of a tenant that is suspended, say
 * @returns whether it worked
 */
async function ownAttempt(
  { tally }: Pick<Trial, "tally">,
  tried: Tried,
  must: KeyProof["own"]["kind"],
  call: () => Promise<unknown>,
): Promise<boolean> {
  try {
    await call();
    tally.own(tried, "worked");
    return true;
  } catch (error) {
    if (error instanceof NotByProfile) tally.notTried(tried, "its profile only encrypts", true);
    else if (saysNothing(error) || must === "unknown") tally.notTried(tried, nameOf(error));
    else tally.own(tried, must === "shut" ? "shut" : { failed: narrowAwsError(error, tried.attempt) });
    return false;
  }
}

/** Why a tenant's own use can't be tried by itself; undefined where it can. */
function whyNotByItself(profile: KeyProfile | undefined): string | undefined {
  if (profile === undefined) return "its profile isn't known";
  if (profile.viaServices.length > 0) return "it is used through services only";
  if (profile.actions === "decrypt-only") return "its profile only decrypts, and nothing was encrypted with it";
  return undefined;
}

async function tryOthers(trial: Trial, session: TenantSession, index: number, pairs: readonly Pair[]): Promise<void> {
  const tenantId = trial.tenants[index] as TenantId;
  const keys = pairs.map(({ key }) => trial.keys[key] as TriedKey);
  if (trial.context.roleMode !== "session-tag") {
    for (const owner of new Set(keys.map((key) => key.tenantId))) await tryRole(trial, tenantId, owner);
  }
  const why = await session.credentials().then(
    () => undefined,
    () => "the session couldn't be had",
  );
  for (const key of keys) {
    for (const attempt of attemptsOf(key)) {
      const tried = triedBy(tenantId, key, attempt);
      if (why !== undefined) trial.tally.notTried(tried, why);
      else await otherAttempt(trial, tried, isUntriable(key), () => tryKey(trial, session, key, attempt));
    }
  }
}

function tryRole({ sessions, tally, context }: Trial, session: TenantId, tenantId: TenantId): Promise<void> {
  const resource = tenantPrincipalArn(context, tenantId);
  const tried = { attempt: "sts:AssumeRole", session, tenantId, resource } as const;
  return otherAttempt({ tally }, tried, false, () => sessions.tryRole(resource, session));
}

async function tryKey(trial: Trial, session: TenantSession, key: TriedKey, attempt: KeyAttempt): Promise<void> {
  const { keyArn, ciphertext, profile } = key;
  const kms = session.kmsIn(regionOfKey(keyArn));
  const said = encryptionContext(trial.context, key);
  const options = { abortSignal: trial.run.signal };
  if (profile === undefined) throw new NothingToTry("its profile isn't known");
  if (attempt !== "kms:Decrypt") {
    await trial.kmsTurns.takeTurn(trial.run, "kms");
    return tryUse(kms, keyArn, profile, said, options);
  }
  if (ciphertext === undefined) throw new NothingToTry(`no ciphertext: ${key.whyNone}`);
  await trial.kmsTurns.takeTurn(trial.run, "kms");
  await decryptProbe(kms, keyArn, ciphertext, said, options);
}

class NothingToTry extends Error {}

/** By what is declared of it: its tenant is suspended or leaves, or its profile lets nobody encrypt by itself. */
function isUntriable({ own, profile }: TriedKey): boolean {
  return own.kind === "shut" || whyNotByItself(profile) !== undefined;
}

async function otherAttempt(
  { tally }: Pick<Trial, "tally">,
  tried: Tried,
  isExpected: boolean,
  call: () => Promise<unknown>,
): Promise<void> {
  try {
    await call();
    tally.others(tried, "worked");
  } catch (error) {
    if (error instanceof NothingToTry) tally.notTried(tried, error.message, isExpected);
    else if (isRefusal(tried, error)) tally.others(tried, "refused");
    else tally.notTried(tried, nameOf(error), isExpected && !saysNothing(error));
  }
}

/** AWS's own word, of this very call: a session that couldn't be renewed was refused nothing by the key. */
function isRefusal({ attempt }: Tried, error: unknown): boolean {
  if (attempt !== "sts:AssumeRole" && error instanceof TenantKeysError) return false;
  const cause = error instanceof TenantKeysError ? error.cause : error;
  return ["AccessDenied", "AccessDeniedException"].includes(errorName(cause));
}

/** What comes of the circumstances, and is no answer to whether a tenant may use its own. */
function saysNothing(error: unknown): boolean {
  const { code } = narrowAwsError(error, "kms");
  return ["throttled", "aws_unavailable", "deadline_near", "rate_limited"].includes(code);
}

function nameOf(error: unknown): string {
  const { code, cause } = narrowAwsError(error, "kms");
  if (code === "deadline_near" || code === "rate_limited") return "the command's time was over";
  return cause === undefined ? code : errorName(cause);
}

function attemptsOf({ profile }: TriedKey): readonly KeyAttempt[] {
  const keySpec = profile?.keySpec ?? "SYMMETRIC_DEFAULT";
  const use = useAttempt(keySpec);
  return keyUsage(keySpec) === "ENCRYPT_DECRYPT" ? ["kms:Decrypt", use] : [use];
}

function triedBy(session: TenantId, { tenantId, keyName, keyArn }: TriedKey, attempt: KeyAttempt): Tried {
  return { attempt, session, tenantId, keyName, resource: keyArn };
}

function encryptionContext({ stage }: StageContext, { tenantId, keyName }: TriedKey) {
  return tenantEncryptionContext(stage, tenantId, keyName);
}
