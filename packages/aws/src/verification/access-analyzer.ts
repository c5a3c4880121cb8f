/**
 * IAM Access Analyzer's opinion of a key's policy, where the stage's settings ask for it: a second check beside our own
 * containment check, by another engine. AWS charges for each question, so a policy is asked about once.
 */
import { createHash } from "node:crypto";
import {
  AccessAnalyzerClient,
  CheckAccessNotGrantedCommand,
  type CheckAccessNotGrantedCommandOutput,
  CheckNoPublicAccessCommand,
} from "@aws-sdk/client-accessanalyzer";
import {
  canonicalJson,
  type PolicyAnswer,
  type PolicyOpinion,
  type StageSettings,
  TenantKeysError,
} from "@tenantkeys/core";
import { type ClientOptions, clientConfig } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import { checkDeadline, type Run } from "../run.ts";
import type { QuotaShare } from "./ports.ts";

export interface AccessAnalyzerPorts {
  /** Undefined where the stage doesn't ask Access Analyzer. */
  readonly accessAnalyzer: AccessAnalyzerClient | undefined;
  readonly quota: QuotaShare;
}

export interface PolicyQuestion {
  /** The key's policy as KMS has it, parsed. */
  readonly policy: unknown;
  /** Actions that the policy should grant to nobody. */
  readonly ungranted: readonly string[];
  readonly previous: PolicyOpinion | undefined;
}

/** Objections kept of one policy, and the characters of each: they are shown to people, and kept in an item. */
const OBJECTIONS_MAX = 5;
const OBJECTION_CHARACTERS_MAX = 200;

const PUBLIC_ACCESS = "access-analyzer:CheckNoPublicAccess";
const NOT_GRANTED = "access-analyzer:CheckAccessNotGranted";

/** @returns undefined where the stage's settings don't switch it on */
export function createAccessAnalyzer(
  options: ClientOptions,
  settings: Pick<StageSettings, "accessAnalyzer">,
): AccessAnalyzerClient | undefined {
  return settings.accessAnalyzer ? new AccessAnalyzerClient(clientConfig(options)) : undefined;
}

/** @throws TenantKeysError `deadline_near`, `rate_limited`: what has to do with this run alone, and not with the answer */
export async function askAccessAnalyzer(
  { accessAnalyzer, quota }: AccessAnalyzerPorts,
  run: Run,
  { policy, ungranted, previous }: PolicyQuestion,
): Promise<PolicyAnswer> {
  if (accessAnalyzer === undefined) return { kind: "off" };
  const policyHash = hashOf(policy, ungranted);
  if (previous?.policyHash === policyHash) return { kind: "answered", opinion: previous };
  const policyDocument = JSON.stringify(policy);
  const options = { abortSignal: run.signal };
  try {
    const openToAll = await ask(run, quota, PUBLIC_ACCESS, () =>
      accessAnalyzer.send(new CheckNoPublicAccessCommand({ policyDocument, resourceType: "AWS::KMS::Key" }), options),
    );
    const granting = await ask(run, quota, NOT_GRANTED, () =>
      accessAnalyzer.send(
        new CheckAccessNotGrantedCommand({
          policyDocument,
          access: [{ actions: [...ungranted] }],
          policyType: "RESOURCE_POLICY",
        }),
        options,
      ),
    );
    const objections = [...openToAll, ...granting].slice(0, OBJECTIONS_MAX);
    return { kind: "answered", opinion: { policyHash, objections } };
  } catch (error) {
    return unanswered(error);
  }
}

type Answer = Pick<CheckAccessNotGrantedCommandOutput, "result" | "message" | "reasons">;

async function ask(run: Run, quota: QuotaShare, step: string, call: () => Promise<Answer>): Promise<readonly string[]> {
  checkDeadline(run, step);
  await quota.takeTurn(run, step);
  try {
    return objectionsOf(await call(), step);
  } catch (error) {
    throw narrowAwsError(error, step);
  }
}

/** Whatever isn't PASS is an objection: an answer that we don't know must not count as one that we like. */
function objectionsOf({ result, message, reasons }: Answer, step: string): readonly string[] {
  if (result === "PASS") return [];
  if (result !== "FAIL") throw new TenantKeysError("aws_unexpected", `${step}: its result is "${result}"`, { step });
  const described = (reasons ?? []).flatMap(({ description }) => description ?? []);
  return (described.length === 0 ? [message ?? "it gave no reason"] : described).map(cut);
}

function unanswered(error: unknown): PolicyAnswer {
  if (!(error instanceof TenantKeysError)) throw error;
  if (error.code === "deadline_near" || error.code === "rate_limited") throw error;
  const kind = error.code === "access_denied" ? "denied" : "failed";
  return { kind, operation: error.details.step ?? PUBLIC_ACCESS, reason: cut(error.message) };
}

function hashOf(policy: unknown, ungranted: readonly string[]): string {
  return createHash("sha256").update(canonicalJson({ policy, ungranted })).digest("hex");
}

function cut(text: string): string {
  return text.length <= OBJECTION_CHARACTERS_MAX ? text : `${text.slice(0, OBJECTION_CHARACTERS_MAX - 1)}…`;
}
