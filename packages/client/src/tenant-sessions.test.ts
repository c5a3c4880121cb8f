import { DecryptCommand } from "@aws-sdk/client-kms";
import type { STSClient } from "@aws-sdk/client-sts";
import { parseRoleArn, parseTenantId } from "@tenantkeys/core";
import { describe, expect, it } from "vitest";
import { createTenantSessions, type SessionOf } from "./tenant-sessions.ts";
import { answering, awsError, errorOf, ROLE_ARN } from "./test-support.ts";

const HOUR_MS = 3_600_000;
const sessionOf = (tenantId = "acme"): SessionOf => ({
  tenantId: parseTenantId(tenantId),
  roleArn: parseRoleArn(ROLE_ARN.replace("acme", tenantId)),
  region: "eu-west-1",
});

/** Sessions whose STS and time the test has in hand. */
function world({ sessionsMax = 10, random = 0, kmsAnswers = [] as readonly string[] } = {}) {
  const state = { nowMs: Date.now(), error: undefined as Error | undefined, asked: [] as unknown[] };
  const { client: sts } = answering<STSClient>((input) => {
    state.asked.push(input);
    if (state.error !== undefined) throw state.error;
    return {
      Credentials: {
        AccessKeyId: `key-${state.asked.length}`,
        SecretAccessKey: "secret",
        SessionToken: `token-${state.asked.length}`,
        Expiration: new Date(state.nowMs + HOUR_MS),
      },
    };
  });
  const kms = kmsThatAnswers(kmsAnswers);
  const sessions = createTenantSessions({
    sts,
    kmsConfig: { region: "eu-west-1", endpoint: "http://kms.invalid", maxAttempts: 1, requestHandler: kms.handler },
    applicationName: "notes-api",
    sessionSeconds: 3_600,
    sessionsMax,
    nowMs: () => state.nowMs,
    random: () => random,
  });
  return { state, sessions, tokens: kms.tokens };
}

/** In place of the network: each answer is the name of an error, or `ok`; the tokens that requests were signed with. */
function kmsThatAnswers(answers: readonly string[]) {
  const tokens: string[] = [];
  const handle = async ({ headers }: { readonly headers: Readonly<Record<string, string>> }) => {
    const name = answers[tokens.push(headers["x-amz-security-token"] ?? "") - 1];
    const body = name === "ok" ? { KeyId: "k", Plaintext: "AA==" } : { __type: name, message: "as KMS says it" };
    return {
      response: {
        statusCode: name === "ok" ? 200 : 400,
        headers: {},
        body: new TextEncoder().encode(JSON.stringify(body)),
      },
    };
  };
  return { handler: { handle } as never, tokens };
}

describe("a tenant's session", () => {
  it("is asked for with the tenant's tag, under a name that shows whose it is and by whom, for at most an hour", async () => {
    const { state, sessions } = world();
    await sessions.of(sessionOf()).credentials();
    expect(state.asked).toEqual([
      {
        RoleArn: ROLE_ARN,
        RoleSessionName: "acme@notes-api",
        DurationSeconds: 3_600,
        Tags: [{ Key: "tenant", Value: "acme" }],
      },
    ]);
  });

  it("is asked for once however many want it, and used until five to six minutes before its end", async () => {
    const { state, sessions } = world({ random: 0.5 });
    const session = sessions.of(sessionOf());
    const all = await Promise.all([session.credentials(), session.credentials(), session.credentials()]);
    state.nowMs += HOUR_MS - 330_000 - 1;
    await sessions.of(sessionOf()).credentials();
    expect([state.asked.length, new Set(all).size]).toEqual([1, 1]);
    state.nowMs += 1;
    const renewed = await Promise.all([session.credentials(), session.credentials()]);
    expect(state.asked).toHaveLength(2);
    expect(renewed.map(({ sessionToken }) => sessionToken)).toEqual(["token-2", "token-2"]);
  });

  it("that is still good is used on while STS can't be asked, and STS isn't asked all the time", async () => {
    const { state, sessions } = world();
    const session = sessions.of(sessionOf());
    await session.credentials();
    state.nowMs += HOUR_MS - 300_000;
    state.error = awsError("ThrottlingException");
    for (const _ of [1, 2, 3]) expect((await session.credentials()).sessionToken).toBe("token-1");
    expect(state.asked).toHaveLength(2);
    state.nowMs += 271_000;
    expect(await errorOf(session.credentials())).toMatchObject({
      code: "throttled",
      details: { retryAfterMs: 1_000, step: "sts:AssumeRole" },
    });
  });

  it("ends where its renewal is denied", async () => {
    const { state, sessions } = world();
    const session = sessions.of(sessionOf());
    await session.credentials();
    state.nowMs += HOUR_MS - 300_000;
    state.error = awsError("AccessDenied");
    expect(await errorOf(session.credentials())).toMatchObject({ code: "access_denied", cause: state.error });
  });

  it("that was denied is asked for again after a second, however often it is wanted before", async () => {
    const { state, sessions } = world();
    const session = sessions.of(sessionOf());
    state.error = awsError("AccessDenied");
    for (const _ of [1, 2, 3]) expect((await errorOf(session.credentials())).code).toBe("access_denied");
    expect(state.asked).toHaveLength(1);
    state.error = undefined;
    state.nowMs += 1_000;
    expect((await session.credentials()).sessionToken).toBe("token-2");
  });

  it("is never another tenant's", async () => {
    const { sessions } = world();
    const [acme, globex] = [sessions.of(sessionOf("acme")), sessions.of(sessionOf("globex"))];
    expect(acme.kms).not.toBe(globex.kms);
    expect(await acme.credentials()).not.toEqual(await globex.credentials());
  });
});

describe("what is kept", () => {
  it("is at most so many sessions; one that is dropped goes on working for who has it", async () => {
    const { sessions } = world({ sessionsMax: 2, kmsAnswers: ["ok"] });
    const first = sessions.of(sessionOf("a"));
    sessions.of(sessionOf("b"));
    sessions.of(sessionOf("c"));
    expect(sessions.of(sessionOf("a"))).not.toBe(first);
    const { Plaintext } = await first.kms.send(new DecryptCommand({ CiphertextBlob: new Uint8Array(1) }));
    expect(Plaintext).toEqual(new Uint8Array(1));
  });

  it("is forgotten by tenant, and where that is wanted only what was made before", () => {
    const { state, sessions } = world();
    const [acme, globex] = [sessions.of(sessionOf("acme")), sessions.of(sessionOf("globex"))];
    sessions.forget(parseTenantId("acme"), state.nowMs);
    expect(sessions.of(sessionOf("acme"))).toBe(acme);
    sessions.forget(parseTenantId("acme"));
    expect(sessions.of(sessionOf("acme"))).not.toBe(acme);
    expect(sessions.of(sessionOf("globex"))).toBe(globex);
  });
});

describe("a session that KMS calls expired", () => {
  const decrypt = new DecryptCommand({ CiphertextBlob: new Uint8Array(1) });

  it("is renewed, and the call made once more", async () => {
    const { sessions, tokens } = world({ kmsAnswers: ["ExpiredTokenException", "ok"] });
    await sessions.of(sessionOf()).kms.send(decrypt);
    expect(tokens).toEqual(["token-1", "token-2"]);
  });

  it("isn't renewed a second time for the same call", async () => {
    const { state, sessions } = world({ kmsAnswers: Array(5).fill("ExpiredTokenException") });
    await expect(sessions.of(sessionOf()).kms.send(decrypt)).rejects.toThrow("as KMS says it");
    expect(state.asked).toHaveLength(2);
  });
});
