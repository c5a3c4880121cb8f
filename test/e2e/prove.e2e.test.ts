/**
 * 50 tenants against each other: what the documents prove, and what real sessions find. Both see the same when a key's
 * policy or a role's trust lets in somebody else, and both are clean again when that is undone.
 */
import { DeleteRolePolicyCommand, PutRolePolicyCommand, UpdateAssumeRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateGrantCommand, RevokeGrantCommand } from "@aws-sdk/client-kms";
import type { Credentials } from "@tenantkeys/aws";
import { parseTenantId, tenantRoleArn } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tenantkeys } from "../support/command-line.ts";
import { driftedKey, signUpAll } from "../support/drifts/index.ts";
import { publish, tenantEnvelope, untilActive } from "../support/events.ts";
import { untilState } from "../support/life.ts";
import {
  alarmsOf,
  brokenIn,
  liveCounts,
  type Prover,
  proverCredentials,
  proverOf,
  putPolicy,
} from "../support/proofs.ts";
import { sharedStage } from "../support/shared-stage.ts";

const TENANTS = Array.from({ length: 50 }, (_, index) => `proven-${index}`);
/** In what is broken on purpose: whose key or role it is, who is let in by it, and who never is. */
const [OWNER, INTRUDER, BYSTANDER] = ["proven-0", "proven-1", "proven-2"] as const;
const DECRYPTED = `${INTRUDER} kms:Decrypt ${OWNER}`;
const USED = `${INTRUDER} kms:GenerateDataKey ${OWNER}`;

let stage: LocalStage;
let credentials: Credentials;
let prover: Prover;

beforeAll(async () => {
  stage = await sharedStage({ settings: { sweepQuotaShare: 0.5, verifyConcurrency: 2 } });
  await signUpAll(stage, TENANTS);
  credentials = await proverCredentials(stage);
  prover = await proverOf(stage, credentials);
}, 120_000);

afterAll(() => prover?.close());

const roleOf = (tenantId: string) =>
  tenantRoleArn(stage.context.accountId, stage.context.stage, parseTenantId(tenantId));
const nameOf = (tenantId: string) => roleOf(tenantId).split("/").at(-1);

const everything = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "kms:*", Resource: "*" }],
});

/** Of three tenants: what the documents say is broken, and what worked live with how that is explained. */
async function both() {
  const proven = await prover.prove(OWNER, INTRUDER, BYSTANDER);
  const live = await prover.live(proven);
  return { proven, live, broken: brokenIn(proven), worked: alarmsOf(proven, live) };
}

const NOTHING = { broken: [], worked: {} };

it("50 × 50: every pair is refused by its documents and when it is tried, and every tenant's own works", async () => {
  const proven = await prover.prove();
  expect(brokenIn(proven)).toEqual([]);
  expect(proven.proof.remarks).toEqual([]);
  expect(proven.proof.counts).toEqual({
    tenants: 50,
    keys: 50,
    pairsRefused: 2450,
    pairsBroken: 0,
    pairsNotProven: 0,
    ownAllowed: 50,
    ownShut: 0,
    ownUnknown: 0,
  });

  const live = await prover.live(proven);

  expect(live).toMatchObject({ pairs: { tried: 2450, total: 2450 }, alarms: [], failures: [], notTried: [] });
  expect(liveCounts(live)).toEqual({
    "kms:Decrypt": [50, 2450, 0],
    "kms:GenerateDataKey": [50, 2450, 0],
    "sts:AssumeRole": [50, 2450, 0],
  });
}, 120_000);

describe("a key's policy that somebody broadened", () => {
  it("to the account lets in whose role was given kms:* by mistake, and is broken before anybody's was", async () => {
    const account = { AWS: `arn:aws:iam::${stage.accountId}:root` };
    const added = { Sid: "LeftToIam", Effect: "Allow", Principal: account, Action: "kms:*", Resource: "*" };
    await putPolicy(stage, OWNER, (ours) => [...ours, added]);
    expect(await both()).toMatchObject({ broken: [[OWNER, "broken", ["LeftToIam"], []]], worked: {} });

    const mistake = { RoleName: nameOf(INTRUDER), PolicyName: "mistake" };
    await stage.iam.send(new PutRolePolicyCommand({ ...mistake, PolicyDocument: everything }));
    const { proven, broken, worked } = await both();
    expect(broken).toEqual([[OWNER, "broken", ["LeftToIam"], [INTRUDER]]]);
    expect(worked).toEqual({ [DECRYPTED]: ["LeftToIam"], [USED]: ["LeftToIam"] });
    expect(proven.proof.keys[0]?.breaches).toMatchObject([{ kind: "key-policy", document: added }]);

    await putPolicy(stage, OWNER);
    const narrowed = await both();
    expect(narrowed).toMatchObject(NOTHING);
    expect(narrowed.proven.proof.remarks).toMatchObject([
      { tenantId: INTRUDER, remark: "policy mistake #1 reaches beyond its tenant's keys: *" },
    ]);
    await stage.iam.send(new DeleteRolePolicyCommand(mistake));
  });

  it("to another tenant's role lets in that one; the command names pair and statement, and is clean when it is undone", async () => {
    const Principal = { AWS: [roleOf(OWNER), roleOf(INTRUDER)] };
    await putPolicy(stage, OWNER, (ours) =>
      ours.map((one) => (one.Sid === "UseByTenant" ? { ...one, Principal } : one)),
    );
    const { broken, worked } = await both();
    expect(broken).toEqual([[OWNER, "broken", ["UseByTenant"], [INTRUDER]]]);
    expect(worked).toEqual({ [DECRYPTED]: ["UseByTenant"], [USED]: ["UseByTenant"] });

    const args = ["prove", OWNER, INTRUDER, BYSTANDER, "--live"];
    const told = await tenantkeys(stage, credentials, args);
    expect(told).toMatchObject({ exitCode: 2, stderr: "" });
    expect(told.stdout).toMatch(/^BROKEN: proven-0\/default arn:aws:kms:/m);
    expect(told.stdout).toContain(`statement UseByTenant of the key's policy: lets in ${roleOf(INTRUDER)}`);
    expect(told.stdout).toMatch(
      /^WORKED LIVE: kms:Decrypt by a session of proven-1 on proven-0\/default arn:\S+\n {2}as statement UseByTenant/m,
    );

    await putPolicy(stage, OWNER);
    const clean = await tenantkeys(stage, credentials, [...args, "--pairs-max", "3"]);
    expect(clean).toMatchObject({ exitCode: 0, stderr: "" });
    expect(clean.stdout).toMatch(
      /3 tenants with 3 keys: 3 contained, 0 broken, 0 not proven; 3 of 6 pairs tried live\n/,
    );
  });

  it("so that the auditor can't read it is not proven, though every attempt is refused", async () => {
    await putPolicy(stage, OWNER, (ours) => ours.filter(({ Sid }) => Sid !== "AuditByAuditor"));
    const { broken, worked, live } = await both();
    expect(broken).toEqual([[OWNER, "not-proven", [], []]]);
    expect([worked, liveCounts(live)["kms:Decrypt"]]).toEqual([{}, [3, 6, 0]]);
    const told = await tenantkeys(stage, credentials, ["prove", OWNER, INTRUDER]);
    expect(told).toMatchObject({ exitCode: 3, stdout: expect.stringContaining("not proven: proven-0/default") });
    await putPolicy(stage, OWNER);
  });
});

it("a grant to another tenant's role lets it decrypt, and is found by both; both are clean without it", async () => {
  const { keyArn: KeyId } = await untilActive(stage, OWNER);
  const { GrantId } = await stage.root.kms.send(
    new CreateGrantCommand({ KeyId, GranteePrincipal: roleOf(INTRUDER), Operations: ["Decrypt"] }),
  );
  const { broken, worked } = await both();
  expect(broken).toEqual([[OWNER, "broken", [GrantId], [INTRUDER]]]);
  expect(worked).toEqual({ [DECRYPTED]: [GrantId] });
  await stage.root.kms.send(new RevokeGrantCommand({ KeyId, GrantId }));
  expect(await both()).toMatchObject(NOTHING);
});

describe("a role's trust policy that somebody broadened", () => {
  const trust = async (change: (statement: object) => object) => {
    const { role } = driftedKey(stage, await untilActive(stage, OWNER)).desired;
    const PolicyDocument = JSON.stringify({ ...role.trustPolicy, Statement: role.trustPolicy.Statement.map(change) });
    await stage.iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: role.name, PolicyDocument }));
  };

  it.each([
    ["to any tag", { Condition: undefined }, [INTRUDER, BYSTANDER]],
    [
      "to another tenant's tag",
      { Condition: { StringEquals: { "aws:RequestTag/tenant": [OWNER, INTRUDER] } } },
      [INTRUDER],
    ],
  ])("%s breaks its tenant's key, and lets the role be taken on with that tag", async (_, change, tenants) => {
    await trust((statement) => ({ ...statement, ...change }));
    const { broken, worked } = await both();
    const statement = "AssumeForThisTenantOnly";
    expect(broken).toEqual([[OWNER, "broken", [statement], tenants]]);
    expect(worked).toEqual(Object.fromEntries(tenants.map((id) => [`${id} sts:AssumeRole ${OWNER}`, [statement]])));
    await trust((ours) => ours);
    expect(await both()).toMatchObject(NOTHING);
  });
});

it("a suspended tenant's key is proven, and its own use is shut as it must be", async () => {
  await publish(stage, tenantEnvelope("TenantSuspended", { tenantId: BYSTANDER }));
  await untilState(stage, BYSTANDER, "suspended");
  const { proven, live, broken, worked } = await both();
  expect({ broken, worked }).toEqual(NOTHING);
  expect(proven.proof.counts).toMatchObject({ pairsRefused: 6, ownAllowed: 2, ownShut: 1 });
  expect(live.parts[0]).toMatchObject({ own: { worked: 2, shut: 1, failed: 0 }, others: { refused: 4, worked: 0 } });
  expect(live.notTried).toMatchObject([{ reason: "no ciphertext: DisabledException", isExpected: true, count: 2 }]);
});

describe("in role mode session-tag", () => {
  let shared: LocalStage;
  let sharing: Prover;

  beforeAll(async () => {
    shared = await sharedStage({ settings: { roleMode: "session-tag", sweepQuotaShare: 0.5, verifyConcurrency: 2 } });
    await signUpAll(shared, TENANTS.slice(0, 5));
    sharing = await proverOf(shared, await proverCredentials(shared));
  }, 120_000);

  afterAll(() => sharing?.close());

  const prove = async () => {
    const proven = await sharing.prove();
    const live = await sharing.live(proven);
    return { proven, live, broken: brokenIn(proven), worked: alarmsOf(proven, live) };
  };

  it("5 × 5: every pair is refused by the tag, by the documents and when it is tried", async () => {
    const { proven, live, broken } = await prove();
    expect(broken).toEqual([]);
    expect(proven.proof.counts).toMatchObject({ pairsRefused: 20, ownAllowed: 5 });
    expect(liveCounts(live)).toEqual({
      "kms:Decrypt": [5, 20, 0],
      "kms:GenerateDataKey": [5, 20, 0],
      "sts:AssumeRole": [5, 0, 0],
    });
  });

  it("a statement that forgets the tag lets in everybody, and one with another tag that tenant", async () => {
    const all = TENANTS.slice(1, 5);
    const decrypted = (tenants: readonly string[]) =>
      tenants.flatMap((id) => [`${id} kms:Decrypt ${OWNER}`, `${id} kms:GenerateDataKey ${OWNER}`]).sort();
    await putPolicy(shared, OWNER, (ours) =>
      ours.map(({ Condition, ...one }) =>
        one.Sid === "UseByTenant" ? one : { ...one, ...(Condition && { Condition }) },
      ),
    );
    const forgotten = await prove();
    expect(forgotten.broken).toEqual([[OWNER, "broken", ["UseByTenant"], all]]);
    expect(Object.keys(forgotten.worked).sort()).toEqual(decrypted(all));

    const Condition = { StringEquals: { "aws:PrincipalTag/tenant": INTRUDER } };
    await putPolicy(shared, OWNER, (ours) => [
      ...ours,
      ...ours.filter(({ Sid }) => Sid === "UseByTenant").map((one) => ({ ...one, Sid: "UseByOther", Condition })),
    ]);
    const other = await prove();
    expect(other.broken).toEqual([[OWNER, "broken", ["UseByOther"], [INTRUDER]]]);
    expect(Object.keys(other.worked).sort()).toEqual(decrypted([INTRUDER]));

    await putPolicy(shared, OWNER);
    expect(await prove()).toMatchObject(NOTHING);
  });
});
