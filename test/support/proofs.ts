/** What the e2e tests of `prove` share: the proof by documents and by trying, as an operator has both. */
import { AttachRolePolicyCommand, CreateRoleCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import {
  type Credentials,
  connectOperator,
  type LiveProof,
  type Operator,
  type Proven,
  startRun,
  systemClock,
} from "@tenantkeys/aws";
import {
  breachesFor,
  type KeyRecord,
  type PolicyStatement,
  parseRoleArn,
  parseTenantId,
  SYSTEM_PATH,
  stageNames,
} from "@tenantkeys/core";
import { assumeRole, type LocalStage } from "@tenantkeys/local";
import { driftedKey } from "./drifts/index.ts";
import { untilActive } from "./events.ts";

const RUN_MS = 120_000;
const CLOSING_MS = 5_000;
const run = () => startRun(systemClock, RUN_MS, CLOSING_MS);

export interface Prover {
  /** @param tenantIds none: all of the stage */
  prove(...tenantIds: readonly string[]): Promise<Proven>;
  live(proven: Proven, pairsMax?: number): Promise<LiveProof>;
  close(): void;
}

export async function proverOf(stage: LocalStage, credentials: Credentials): Promise<Prover> {
  const operator: Operator = await connectOperator({ ...stage.at, credentials }, run(), stage.settings.stage);
  const applicationRoleArn = parseRoleArn(stage.context.applicationRoleArns[0] ?? "");
  const onProgress = () => {};
  return {
    prove: (...tenantIds) =>
      operator.prove(run(), { tenantIds: tenantIds.map(parseTenantId), asCaller: false, onProgress }),
    live: (proven, pairsMax = 10_000) => operator.tryPairs(run(), proven, { applicationRoleArn, pairsMax, onProgress }),
    close: () => operator.close(),
  };
}

/** A session that may do what `prove --live` needs: what an operator may, and become the application. */
export async function proverCredentials(stage: LocalStage): Promise<Credentials> {
  const RoleName = "somebody-who-proves";
  const trust = {
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${stage.accountId}:root` }, Action: "sts:AssumeRole" },
    ],
  };
  const becoming = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Resource: stage.context.applicationRoleArns }],
  };
  const PolicyArn = `arn:aws:iam::${stage.accountId}:policy${SYSTEM_PATH}${stageNames(stage.settings.stage).operatorPolicy}`;
  await stage.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) }));
  await stage.iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
  await stage.iam.send(
    new PutRolePolicyCommand({
      RoleName,
      PolicyName: "become-the-application",
      PolicyDocument: JSON.stringify(becoming),
    }),
  );
  return assumeRole(stage.at, stage.emulator.credentials, `arn:aws:iam::${stage.accountId}:role/${RoleName}`);
}

/** Of each attempt: [own that worked, others' that were refused, others' that worked]. */
export function liveCounts({ parts }: LiveProof): Readonly<Record<string, readonly number[]>> {
  return Object.fromEntries(
    parts.map(({ attempt, own, others }) => [attempt, [own.worked, others.refused, others.worked]]),
  );
}

/** What worked live and must not, as `who attempt whose`, each with the statements by which the proof explains it. */
export function alarmsOf({ proof }: Proven, { alarms }: LiveProof): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    alarms.map(({ attempt, session, tenantId, resource }) => [
      `${session} ${attempt} ${tenantId}`,
      breachesFor(proof, session, resource).map(({ statement }) => statement),
    ]),
  );
}

/** What the proof calls broken: whose key, by which statement, and to which other tenants it is open. */
export function brokenIn({ proof }: Proven): readonly unknown[] {
  return proof.keys
    .filter(({ verdict }) => verdict !== "contained")
    .map(({ tenantId, verdict, breaches, openTo }) => [
      tenantId,
      verdict,
      breaches.map(({ statement }) => statement),
      openTo,
    ]);
}

/** Puts the key's own policy with root's credentials, with more statements or without some. @returns the key's record */
export async function putPolicy(
  stage: LocalStage,
  tenantId: string,
  change: (statements: readonly PolicyStatement[]) => readonly object[] = (statements) => statements,
): Promise<KeyRecord> {
  const record = await untilActive(stage, tenantId);
  const { admittedPolicy } = driftedKey(stage, record).desired;
  const Policy = JSON.stringify({ ...admittedPolicy, Statement: change(admittedPolicy.Statement) });
  await stage.root.kms.send(new PutKeyPolicyCommand({ KeyId: record.keyArn, PolicyName: "default", Policy }));
  return record;
}
