/** A tenant lends its key to a job on the real stacks: what KMS lets it lend, what the job can do, and how that ends. */
import { DeleteRolePolicyCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import {
  CreateGrantCommand,
  type CreateGrantRequest,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  RetireGrantCommand,
} from "@aws-sdk/client-kms";
import { createTenantKeys, type TenantKey, type TenantKeys } from "@tenantkeys/client";
import {
  createJobGrant,
  type JobGrant,
  type JobGrantRequest,
  retireJobGrant,
  withJobGrant,
} from "@tenantkeys/client/grants";
import { jobGrantName, parseTenantId, tenantPrincipalArn } from "@tenantkeys/core";
import { assumeRole, type LocalStage, startTrail } from "@tenantkeys/local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorCredentials, tenantkeys } from "../support/command-line.ts";
import { tapReplies, until } from "../support/events.ts";
import { livesOn, roleThatMay, untilState } from "../support/life.ts";
import { outcome, type Session, sessionOf, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";
import { closedRules, openFindings, sweepFromSchedule, wrongByTenant } from "../support/sweeps.ts";

const DENIED = "AccessDeniedException";
const HOUR_MS = 3_600_000;
/** Of the local AWS's account. */
const JOB_ROLE = "arn:aws:iam::000000000000:role/nightly-job";
const TEXT = "a tenant's data";

let stage: LocalStage;
let lives: ReturnType<typeof livesOn>;
let acmeKey: string;
let globexKey: string;
let acme: Session;
let globex: Session;
let job: Session;
let tenantKeys: TenantKeys;
let lender: TenantKey;
let operator: Awaited<ReturnType<typeof operatorCredentials>>;

beforeAll(async () => {
  // Of so few keys the usual share is one a day.
  const repair = { automaticRepair: true, repairSharePercent: 100 };
  const profiles = { default: { jobRoleArns: [JOB_ROLE], jobGrantHoursMax: 2 } };
  stage = await sharedStage({ settings: { profiles, ...repair } });
  lives = livesOn(stage, await tapReplies(stage));
  await Promise.all([
    roleThatMay(stage, "nightly-job", "s3:ListAllMyBuckets"),
    roleThatMay(stage, "stranger", "kms:*"),
  ]);
  [acmeKey, globexKey, operator] = await Promise.all([
    lives.signUp("acme"),
    lives.signUp("globex"),
    operatorCredentials(stage),
  ]);
  [acme, globex, job] = await Promise.all([
    tenantSession(stage, "acme"),
    tenantSession(stage, "globex"),
    sessionOfRole(JOB_ROLE),
  ]);
  tenantKeys = createTenantKeys({
    stage: stage.settings.stage,
    ...stage.at,
    credentials: await stage.application(),
    recordMaxAgeSeconds: 0,
  });
  lender = tenantKeys.for("acme");
}, 120_000);

afterAll(() => {
  tenantKeys?.destroy();
});

async function sessionOfRole(roleArn: string): Promise<Session> {
  return sessionOf(stage.at, await assumeRole(stage.at, stage.emulator.credentials, roleArn));
}

const contextOf = (tenant: string) => ({ tenant, keyName: "default", stage: stage.settings.stage });
const ask = (changes: Partial<JobGrantRequest> = {}) =>
  ({
    jobId: "nightly-1",
    granteeRoleArn: JOB_ROLE,
    operations: ["Decrypt"],
    endsAtMs: Date.now() + HOUR_MS,
    ...changes,
  }) as JobGrantRequest;

async function encrypted({ kms }: Session, KeyId: string, EncryptionContext: Record<string, string>) {
  const command = new EncryptCommand({ KeyId, Plaintext: Buffer.from(TEXT), EncryptionContext });
  return (await kms.send(command)).CiphertextBlob ?? new Uint8Array();
}

const decrypt = (KeyId: string, CiphertextBlob: Uint8Array, EncryptionContext?: Record<string, string>, by = job) =>
  outcome(by.kms.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext })));

describe("a job to which a tenant lends its key", () => {
  it("decrypts that tenant's data while it may, and nothing else", async () => {
    const [own, others] = [contextOf("acme"), contextOf("globex")];
    const ofAcme = await encrypted(acme, acmeKey, own);
    const ofGlobex = await encrypted(globex, globexKey, others);
    const unbound = await encrypted(acme, acmeKey, {});
    expect(await decrypt(acmeKey, ofAcme, own)).toBe(DENIED);

    const seen = await withJobGrant(lender, ask(), async ({ keyArn }) => ({
      itsTenants: await decrypt(keyArn, ofAcme, own),
      withoutContext: await decrypt(keyArn, ofAcme),
      withAnothersContext: await decrypt(keyArn, await encrypted(acme, keyArn, others), others),
      whatIsBoundToNobody: await decrypt(keyArn, unbound),
      anotherTenants: await decrypt(globexKey, ofGlobex, others),
      anotherOperation: await outcome(
        job.kms.send(new GenerateDataKeyCommand({ KeyId: keyArn, KeySpec: "AES_256", EncryptionContext: own })),
      ),
      anotherJobsRole: await decrypt(
        keyArn,
        ofAcme,
        own,
        await sessionOfRole(JOB_ROLE.replace("nightly-job", "stranger")),
      ),
      lendingOn: await outcome(job.kms.send(wider({ Operations: ["Decrypt"] }))),
    }));

    const { itsTenants, ...others2 } = seen;
    expect(itsTenants).toBe("worked");
    expect(Object.entries(others2).filter(([, how]) => how !== DENIED)).toEqual([]);
    expect(await decrypt(acmeKey, ofAcme, own)).toBe(DENIED);
  });

  it("has the key taken back when its work fails, and the work's error is told", async () => {
    const failing = async (grant: JobGrant) => {
      expect(await outcome(job.kms.send(new DescribeKeyCommand({ KeyId: grant.keyArn })))).toBe("worked");
      throw new Error("the job failed");
    };
    await expect(withJobGrant(lender, ask({ operations: ["DescribeKey"] }), failing)).rejects.toThrow("the job failed");
    expect(await outcome(job.kms.send(new DescribeKeyCommand({ KeyId: acmeKey })))).toBe(DENIED);
  });

  it("may give the key back itself, and taking it back afterwards is no error", async () => {
    const grant = await createJobGrant(lender, ask());
    await job.kms.send(new RetireGrantCommand({ KeyId: grant.keyArn, GrantId: grant.grantId }));
    await expect(retireJobGrant(lender, grant)).resolves.toBeUndefined();
  });

  it("stops with its tenant, which then lends nothing, and goes on with it", async () => {
    const keyArn = await lives.signUp("pausing");
    const own = contextOf("pausing");
    const data = await encrypted(await tenantSession(stage, "pausing"), keyArn, own);
    const pausing = tenantKeys.for("pausing");
    await withJobGrant(pausing, ask(), async () => {
      expect(await decrypt(keyArn, data, own)).toBe("worked");
      await lives.happens("TenantSuspended", "pausing");
      await untilState(stage, "pausing", "suspended");
      expect(await decrypt(keyArn, data, own)).toBe("DisabledException");
      await expect(createJobGrant(pausing, ask())).rejects.toMatchObject({ code: "tenant_suspended" });
      await lives.happens("TenantResumed", "pausing");
      await untilState(stage, "pausing", "active");
      expect(await decrypt(keyArn, data, own)).toBe("worked");
    });
    expect(await decrypt(keyArn, data, own)).toBe(DENIED);
  });

  it("gets the same grant when the same is asked again", async () => {
    const request = ask();
    const [one, two] = [await createJobGrant(lender, request), await createJobGrant(lender, request)];
    expect(two.grantId).toBe(one.grantId);
    expect(await outcome(globex.kms.send(new RetireGrantCommand({ KeyId: one.keyArn, GrantId: one.grantId })))).toBe(
      DENIED,
    );
    await retireJobGrant(lender, one);
  });
});

/** What the tenant may lend, with changes that make it more. */
function wider(changes: Partial<CreateGrantRequest> = {}): CreateGrantCommand {
  return new CreateGrantCommand({
    KeyId: acmeKey,
    Name: jobGrantName(Date.now() + HOUR_MS, "by-hand"),
    GranteePrincipal: JOB_ROLE,
    RetiringPrincipal: tenantPrincipalArn(stage.context, parseTenantId("acme")),
    Operations: ["Decrypt", "Encrypt"],
    Constraints: { EncryptionContextSubset: { tenant: "acme" } },
    ...changes,
  });
}

describe("KMS refuses the tenant's session a grant", () => {
  const STRANGER = JOB_ROLE.replace("nightly-job", "stranger");
  const PolicyName = "key-by-mistake";
  const RoleName = "tk-local-acme";

  afterAll(() => stage.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName })));

  it.each<readonly [string, () => Partial<CreateGrantRequest>]>([
    ["to another role", () => ({ GranteePrincipal: STRANGER })],
    ["to the account", () => ({ GranteePrincipal: "arn:aws:iam::000000000000:root" })],
    ["by which the job could lend the key on", () => ({ Operations: ["Decrypt", "CreateGrant"] })],
    ["of an operation that is no job's", () => ({ Operations: ["ReEncryptFrom"] })],
    ["without a constraint", () => ({ Constraints: undefined })],
    ["with an empty constraint", () => ({ Constraints: { EncryptionContextEquals: {} } })],
    ["bound to another tenant's context", () => ({ Constraints: { EncryptionContextSubset: { tenant: "globex" } } })],
    ["bound to a pair that isn't the tenant", () => ({ Constraints: { EncryptionContextSubset: { stage: "local" } } })],
    ["that it can't take back", () => ({ RetiringPrincipal: undefined })],
    ["on another tenant's key", () => ({ KeyId: globexKey })],
  ])("%s, also with kms:* given to its role by mistake", async (_, changes) => {
    expect(await outcome(acme.kms.send(wider(changes())))).toBe(DENIED);
    const everything = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "kms:*", Resource: "*" }] };
    const PolicyDocument = JSON.stringify(everything);
    await stage.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument }));
    expect(await outcome(acme.kms.send(wider(changes())))).toBe(DENIED);
  });

  it("and the client says which permission is missing", async () => {
    const refused = createJobGrant(lender, ask({ granteeRoleArn: STRANGER }));
    await expect(refused).rejects.toMatchObject({ code: "access_denied", details: { step: "kms:CreateGrant" } });
  });
});

interface ListedGrants {
  readonly keys: readonly { readonly grants: readonly Record<string, unknown>[] }[];
}

async function listed(tenantId: string) {
  const { exitCode, stdout } = await tenantkeys(stage, operator, ["grants", tenantId, "--json"]);
  return { exitCode, grants: (JSON.parse(stdout) as ListedGrants).keys.flatMap(({ grants }) => grants) };
}

describe("the end of a grant", () => {
  it("past which it is stale: a sweep finds it, the worker revokes it, and the job is out", async () => {
    const own = contextOf("acme");
    const data = await encrypted(acme, acmeKey, own);
    const past = { nowMs: () => Date.now() - HOUR_MS };
    await createJobGrant(lender, ask({ jobId: "forgotten", endsAtMs: Date.now() - 1_000 }), past);
    expect(await decrypt(acmeKey, data, own)).toBe("worked");
    expect(await listed("acme")).toMatchObject({ exitCode: 2, grants: [{ state: "stale", jobId: "forgotten" }] });

    await sweepFromSchedule(stage);
    await until("the worker to revoke it", async () => (await decrypt(acmeKey, data, own)) === DENIED);
    expect(await listed("acme")).toEqual({ exitCode: 0, grants: [] });
    expect((await tenantkeys(stage, operator, ["verify", "acme"])).exitCode).toBe(0);
    expect(await wrongByTenant(stage)).toEqual({});
    expect(await closedRules(stage, "acme")).toContain("grant-stale");
  });

  it("to come is listed, and no finding when the guard looks, unlike a grant without an end", async () => {
    await startTrail(stage.emulator);
    const endsAtMs = Date.now() + HOUR_MS;
    const grant = await createJobGrant(tenantKeys.for("globex"), ask({ jobId: "export-9", endsAtMs }));
    expect(await listed("globex")).toMatchObject({
      exitCode: 0,
      grants: [{ state: "allowed", jobId: "export-9", endsAtMs, granteePrincipal: JOB_ROLE, grantId: grant.grantId }],
    });
    // Of what is made after it the guard has something to find, and the stage says that nobody has to be asked.
    await globex.kms.send(wider({ KeyId: globexKey, Name: "no-end", ...boundTo("globex") }));
    await until("the guard to find the grant without an end, and it to be revoked", async () =>
      (await closedRules(stage, "globex")).includes("grant-foreign"),
    );
    expect((await listed("globex")).grants).toMatchObject([{ grantId: grant.grantId, state: "allowed" }]);
    expect(await openFindings(stage)).toEqual([]);
  });
});

function boundTo(tenant: string): Partial<CreateGrantRequest> {
  return {
    Constraints: { EncryptionContextSubset: { tenant } },
    RetiringPrincipal: tenantPrincipalArn(stage.context, parseTenantId(tenant)),
  };
}
