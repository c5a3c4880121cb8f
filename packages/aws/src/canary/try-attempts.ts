/**
 * Asks AWS, attempt by attempt. Everything is harmless where it works though it must not: the plaintext is nobody's, a
 * grant is only asked about (`DryRun`), and nothing else changes a key.
 */
import {
  CreateGrantCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  type KMSClient,
  ReEncryptCommand,
} from "@aws-sdk/client-kms";
import {
  CANARY_KEY_NAME,
  CANARY_TENANTS,
  type CanaryAttempt,
  type CanaryKeyAction,
  type CanaryName,
  type CanaryResources,
  type CanaryResult,
  type CanarySession,
  canaryAttempts,
  type StageContext,
  TenantKeysError,
  type TriedAttempt,
  tenantEncryptionContext,
} from "@tenantkeys/core";
import type { SessionCredentials } from "../clients.ts";
import { errorName, narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";
import type { CanaryAws } from "./canary-aws.ts";

const PLAINTEXT = Buffer.from("a canary of tenantkeys");
/** On top of the SDK's own tries, where AWS throttles or doesn't answer. */
const TRIES_MAX = 2;
const PAUSE_MS = 1_000;
/** Only AWS's own words count: who couldn't even ask was refused nothing. */
const REFUSALS: readonly string[] = ["AccessDenied", "AccessDeniedException"];

export interface TryPorts {
  readonly aws: CanaryAws;
  readonly context: StageContext;
}

/** What earlier attempts of the run gave to later ones. */
interface Trial extends TryPorts {
  readonly resources: CanaryResources;
  readonly credentials: Map<CanaryName, SessionCredentials>;
  readonly clients: Map<CanarySession, Pick<KMSClient, "send" | "destroy">>;
  readonly ciphertexts: Map<CanaryName, Uint8Array>;
}

/** @returns every attempt, in their order; those that the run's time didn't reach as not tried */
export async function tryAttempts(
  ports: TryPorts,
  run: Run,
  resources: CanaryResources,
): Promise<readonly TriedAttempt[]> {
  const clients: Trial["clients"] = new Map([["canary", ports.aws.kms(undefined)]]);
  const trial: Trial = { ...ports, resources, clients, credentials: new Map(), ciphertexts: new Map() };
  const tried: TriedAttempt[] = [];
  try {
    for (const attempt of canaryAttempts(ports.context.roleMode)) {
      tried.push({ ...attempt, ...(await tryOne(trial, run, attempt)) });
    }
    return tried;
  } finally {
    for (const client of clients.values()) client.destroy();
  }
}

type Outcome = Pick<TriedAttempt, "result" | "reason">;

async function tryOne(trial: Trial, run: Run, attempt: CanaryAttempt): Promise<Outcome> {
  for (let tries = 1; ; tries++) {
    if (run.clock.nowMs() >= run.deadlineMs) return { result: "not-tried", reason: "the run's time is spent" };
    try {
      await carryOut(trial, run, attempt);
      return { result: "worked" };
    } catch (error) {
      if (error instanceof NotTried) return { result: "not-tried", reason: error.message };
      const outcome = outcomeOf(error);
      const isWorthAnother = outcome.result === "failed" && narrowAwsError(error, attempt.action).retryable;
      if (!isWorthAnother || tries === TRIES_MAX) return outcome;
      await run.clock.sleep(PAUSE_MS);
    }
  }
}

/** @param error of an attempt that AWS didn't just answer */
function outcomeOf(error: unknown): { readonly result: CanaryResult; readonly reason?: string } {
  const cause = error instanceof TenantKeysError ? (error.cause ?? error) : error;
  const name = cause instanceof TenantKeysError ? cause.code : errorName(cause);
  if (name === "DryRunOperationException") return { result: "worked" };
  return { result: REFUSALS.includes(name) ? "refused" : "failed", reason: name };
}

/** Something that an attempt needs isn't there, as an earlier one failed. */
class NotTried extends Error {}

async function carryOut(trial: Trial, run: Run, attempt: CanaryAttempt): Promise<void> {
  if (attempt.action !== "sts:AssumeRole") return useKey(trial, run, attempt, attempt.action);
  const { by, of, must, tag } = attempt;
  const as = by === "canary" ? undefined : needed(trial.credentials.get(by), `no session of tenant ${by}`);
  const session = await trial.aws.assume(as, run, trial.resources[of].roleArn, tag);
  if (must === "be-refused") return;
  trial.credentials.set(of, session);
  trial.clients.set(of, trial.aws.kms(session));
}

async function useKey(trial: Trial, run: Run, { by, of }: CanaryAttempt, action: CanaryKeyAction): Promise<void> {
  const kms = needed(trial.clients.get(by), `no session of tenant ${by}`);
  const send = { abortSignal: run.signal };
  const { keyArn: KeyId } = trial.resources[of];
  const EncryptionContext = contextOf(trial, of);
  const ciphertextOf = (name: CanaryName) => needed(trial.ciphertexts.get(name), `no ciphertext of tenant ${name}`);
  switch (action) {
    case "kms:Encrypt": {
      const answer = await kms.send(new EncryptCommand({ KeyId, Plaintext: PLAINTEXT, EncryptionContext }), send);
      if (by === of && answer.CiphertextBlob !== undefined) trial.ciphertexts.set(of, answer.CiphertextBlob);
      return;
    }
    case "kms:Decrypt": {
      const input = { KeyId, CiphertextBlob: ciphertextOf(of), EncryptionContext };
      const { Plaintext } = await kms.send(new DecryptCommand(input), send);
      if (by === of && !PLAINTEXT.equals(Plaintext ?? new Uint8Array())) throw otherPlaintext();
      return;
    }
    case "kms:GenerateDataKey":
      await kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256", EncryptionContext }), send);
      return;
    case "kms:ReEncryptFrom":
    case "kms:ReEncryptTo":
      await reEncrypt(
        trial,
        run,
        kms,
        action === "kms:ReEncryptFrom" ? [of, by as CanaryName] : [by as CanaryName, of],
      );
      return;
    case "kms:CreateGrant": {
      // To the one whose session it is, so that a grant that was made after all would tell no third.
      const GranteePrincipal = by === "canary" ? trial.context.canaryRoleArn : trial.resources[by].roleArn;
      const grant = { KeyId, GranteePrincipal, Operations: ["Decrypt" as const], DryRun: true };
      await kms.send(new CreateGrantCommand(grant), send);
      return;
    }
    case "kms:DescribeKey":
      await kms.send(new DescribeKeyCommand({ KeyId }), send);
      return;
    case "kms:GetKeyPolicy":
      await kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: "default" }), send);
  }
}

async function reEncrypt(
  trial: Trial,
  run: Run,
  kms: Pick<KMSClient, "send">,
  [from, to]: readonly [CanaryName, CanaryName],
): Promise<void> {
  const command = new ReEncryptCommand({
    CiphertextBlob: needed(trial.ciphertexts.get(from), `no ciphertext of tenant ${from}`),
    SourceKeyId: trial.resources[from].keyArn,
    SourceEncryptionContext: contextOf(trial, from),
    DestinationKeyId: trial.resources[to].keyArn,
    DestinationEncryptionContext: contextOf(trial, to),
  });
  await kms.send(command, { abortSignal: run.signal });
}

function contextOf({ context }: TryPorts, name: CanaryName): Record<string, string> {
  return { ...tenantEncryptionContext(context.stage, CANARY_TENANTS[name], CANARY_KEY_NAME) };
}

function needed<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new NotTried(otherwise);
  return value;
}

function otherPlaintext(): TenantKeysError {
  return new TenantKeysError("aws_unexpected", "kms:Decrypt: the answer is another plaintext than was encrypted", {
    step: "kms:Decrypt",
  });
}
