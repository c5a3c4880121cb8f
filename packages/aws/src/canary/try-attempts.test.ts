import { attemptOutcome, attemptText, canaryAttempts, type TriedAttempt } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { awsError, CONTEXT, FakeClock, runOn } from "../test-support.ts";
import { type CanaryCall, canaryAws, RESOURCES } from "./canary.test-support.ts";
import { tryAttempts } from "./try-attempts.ts";

async function tried(around?: Parameters<typeof canaryAws>[0], durationMs?: number) {
  const clock = new FakeClock();
  const { aws, calls } = canaryAws(around);
  const attempts = await tryAttempts({ aws, context: CONTEXT }, runOn(clock, durationMs), RESOURCES);
  return { attempts, calls, clock };
}

const unexpected = (attempts: readonly TriedAttempt[]) =>
  attempts
    .filter((one) => attemptOutcome(one) !== "as-expected")
    .map((one) => [attemptText(one), one.result, one.reason]);
const isDecryptOfB = ({ by, name, about }: CanaryCall) => by === "a" && name === "Decrypt" && about === "b";

test("everything is tried once and is as it must be, where AWS keeps the tenants apart", async () => {
  const { attempts, calls, clock } = await tried();
  expect(attempts.map(attemptText)).toEqual(canaryAttempts("per-tenant").map(attemptText));
  expect(unexpected(attempts)).toEqual([]);
  expect(calls).toHaveLength(attempts.length);
  expect(clock.sleptMs).toEqual([]);
});

test("each use says whose data it is, and a grant is only asked about", async () => {
  const { calls } = await tried();
  expect(calls.find(isDecryptOfB)?.input).toMatchObject({
    KeyId: RESOURCES.b.keyArn,
    EncryptionContext: { tenant: "tenantkeys-canary-b", keyName: "default", stage: "dev" },
  });
  const grants = calls.filter(({ name }) => name === "CreateGrant");
  expect(grants.length).toBeGreaterThan(0);
  expect(grants.every(({ input }) => input.DryRun === true)).toBe(true);
});

test("what AWS does though it must be refused is a breach, a dry run's word included", async () => {
  const { attempts } = await tried((call, answer) => {
    if (isDecryptOfB(call)) return {};
    if (call.by === "canary" && call.name === "CreateGrant") throw awsError("DryRunOperationException", 412);
    return answer();
  });
  expect(unexpected(attempts)).toEqual([
    ["kms:Decrypt with b's key by tenant a", "worked", undefined],
    ["kms:CreateGrant with a's key by the canary itself", "worked", undefined],
    ["kms:CreateGrant with b's key by the canary itself", "worked", undefined],
  ]);
});

describe("what AWS answers with neither yes nor no", () => {
  test("is no refusal", async () => {
    const { attempts } = await tried((call, answer) => {
      if (isDecryptOfB(call)) throw awsError("InvalidCiphertextException", 400);
      return answer();
    });
    expect(unexpected(attempts)).toEqual([
      ["kms:Decrypt with b's key by tenant a", "failed", "InvalidCiphertextException"],
    ]);
  });

  test("is tried once more where it may pass, and counts if it doesn't", async () => {
    let throttled = 0;
    const passing = await tried((call, answer) => {
      if (isDecryptOfB(call) && throttled++ === 0) throw awsError("ThrottlingException", 400);
      return answer();
    });
    expect(unexpected(passing.attempts)).toEqual([]);
    expect(passing.clock.sleptMs).toEqual([1_000]);

    const lasting = await tried((call, answer) => {
      if (isDecryptOfB(call)) throw awsError("KMSInternalException", 500);
      return answer();
    });
    expect(unexpected(lasting.attempts)).toEqual([
      ["kms:Decrypt with b's key by tenant a", "failed", "KMSInternalException"],
    ]);
  });

  test("keeps what needs it from being tried, and nothing else", async () => {
    const { attempts } = await tried((call, answer) => {
      if (call.name === "Encrypt" && call.by === "b" && call.about === "b") throw awsError("DisabledException", 400);
      return answer();
    });
    expect(unexpected(attempts).map(([text, result, reason]) => `${text}: ${result}, ${reason}`)).toEqual([
      "kms:Encrypt with b's key by tenant b: failed, DisabledException",
      "kms:Decrypt with b's key by tenant b: not-tried, no ciphertext of tenant b",
      "kms:ReEncryptTo with a's key by tenant b: not-tried, no ciphertext of tenant b",
      "kms:Decrypt with b's key by tenant a: not-tried, no ciphertext of tenant b",
      "kms:ReEncryptFrom with b's key by tenant a: not-tried, no ciphertext of tenant b",
      "kms:Decrypt with b's key by the canary itself: not-tried, no ciphertext of tenant b",
    ]);
  });
});

test("a tenant's own use that is refused is a failure, and so is another plaintext than it encrypted", async () => {
  const { attempts } = await tried((call, answer) => {
    if (call.name === "AssumeRole" && call.input.tag === "tenantkeys-canary-a") throw awsError("AccessDenied", 403);
    if (call.name === "Decrypt" && call.by === "b" && call.about === "b") return { Plaintext: new Uint8Array([1]) };
    return answer();
  });
  const texts = unexpected(attempts).map(([text, result, reason]) => `${text}: ${result}, ${reason}`);
  expect(texts[0]).toBe(
    "sts:AssumeRole of a's role, tagged tenantkeys-canary-a, by the canary itself: refused, AccessDenied",
  );
  expect(texts).toContain("kms:Decrypt with b's key by tenant b: failed, aws_unexpected");
  expect(texts).toContain("kms:GetKeyPolicy with b's key by tenant a: not-tried, no session of tenant a");
});

test("who couldn't even ask was refused nothing", async () => {
  const { attempts } = await tried((call, answer) => {
    if (call.by === "canary" && call.name === "DescribeKey") throw awsError("CredentialsProviderError", 0);
    return answer();
  });
  expect(unexpected(attempts).map(([, result]) => result)).toEqual(["failed", "failed"]);
});

test("what the run's time doesn't reach is said, and not tried", async () => {
  const { attempts, calls } = await tried(undefined, 0);
  expect(calls).toEqual([]);
  expect(new Set(attempts.map(({ result, reason }) => `${result}, ${reason}`))).toEqual(
    new Set(["not-tried, the run's time is spent"]),
  );
});
