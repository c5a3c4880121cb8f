/** The matrix itself: it holds for every tenant, and it notices when it doesn't. */
import { PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import { checkContainment, completeKeyProfile, desiredTenantKey, parseKeyName, parseTenantId } from "@tenantkeys/core";
import { type LocalStage, type MatrixTenant, proveIsolation } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { deliver, signUpEnvelope, untilActive } from "../support/events.ts";
import { sharedStage } from "../support/shared-stage.ts";

const TENANTS = Array.from({ length: 12 }, (_, index) => `isolated-${index}`);

let stage: LocalStage;
let tenants: readonly MatrixTenant[];

beforeAll(async () => {
  stage = await sharedStage();
  await Promise.all(TENANTS.map((tenantId) => deliver(stage, signUpEnvelope(tenantId))));
  const records = await Promise.all(TENANTS.map((tenantId) => untilActive(stage, tenantId)));
  tenants = records.map((record) => ({
    tenantId: record.tenantId,
    roleArn: record.roleArn ?? "",
    keys: [{ keyName: record.keyName, keyArn: record.keyArn ?? "" }],
  }));
});

const prove = async (bucket: string) =>
  proveIsolation({
    at: stage.at,
    tenants,
    application: await stage.application(),
    root: stage.emulator.credentials,
    iam: stage.iam,
    bucket,
  });

describe("isolation, tried live", () => {
  it("lets only the diagonal decrypt, read and assume, also with kms:* and s3:* given by mistake", async () => {
    const { parts, violations } = await prove("isolation");

    expect(violations).toEqual([]);
    const own = TENANTS.length;
    const others = TENANTS.length * (TENANTS.length - 1);
    expect(parts.map(({ allowed, refused }) => [allowed, refused])).toEqual(Array(5).fill([own, others]));
  });

  it("is reported broken when a key policy is widened to the account, as the containment check says too", async () => {
    const [victim] = tenants;
    const tenantId = parseTenantId(victim?.tenantId ?? "");
    const desired = desiredTenantKey(stage.context, tenantId, parseKeyName("default"), completeKeyProfile());
    const contained = desired.admittedPolicy;
    const widened = {
      ...contained,
      Statement: [
        ...contained.Statement,
        {
          Sid: "Widened",
          Effect: "Allow",
          Principal: { AWS: `arn:aws:iam::${stage.accountId}:root` },
          Action: "kms:*",
          Resource: "*",
        },
      ],
    };
    const KeyId = victim?.keys[0]?.keyArn;
    await stage.root.kms.send(
      new PutKeyPolicyCommand({ KeyId, PolicyName: "default", Policy: JSON.stringify(widened) }),
    );

    const { violations } = await prove("isolation-broken");

    expect(violations[0]).toContain('decrypting with key "default" of isolated-0: worked');
    expect(checkContainment(contained, desired)).toEqual({ kind: "contained" });
    expect(checkContainment(widened, desired)).toMatchObject({
      kind: "violated",
      violations: [{ statement: "Widened" }],
    });
  });
});
