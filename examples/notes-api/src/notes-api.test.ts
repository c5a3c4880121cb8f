import { parseStageSettings, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, it, vi } from "vitest";
import { answerErrors } from "./answer-errors.ts";
import { bodyBytes, type NotesEvent, pathParameter, RequestError, tenantOfToken } from "./http.ts";
import { route } from "./routes.ts";
import { readSettings } from "./settings.ts";
import { POLICY_NAME, tenantPolicy } from "./tenant-policy.ts";

function event(change: object = {}, claims: object = { "custom:tenant": "acme" }): NotesEvent {
  return { routeKey: "GET /notes", requestContext: { authorizer: { jwt: { claims } } }, ...change } as NotesEvent;
}

describe("the tenant", () => {
  it("is the token's, whatever the path, the query or the body say", () => {
    const others = {
      pathParameters: { tenant: "globex" },
      queryStringParameters: { tenantId: "globex" },
      body: "globex",
    };
    expect(tenantOfToken(event(others))).toBe("acme");
  });

  it.each([{}, { "custom:tenant": ["acme", "globex"] }, { "custom:tenant": 7 }, { tenant: "acme" }])(
    "isn't read from the claims %j",
    (claims) => {
      expect(tenantOfToken(event({}, claims))).toBeUndefined();
    },
  );
});

describe("a request", () => {
  it("of an unknown route, or with a parameter out of its form, is refused before anything is asked of AWS", async () => {
    const key = undefined as never;
    const settings = readSettings({
      TENANTKEYS_STAGE: "dev",
      AWS_REGION: "eu-west-1",
      NOTES_TABLE: "t",
      NOTES_BUCKET: "b",
    });
    await expect(route(event({ routeKey: "DELETE /notes" }), key, settings)).rejects.toMatchObject({ statusCode: 404 });
    await expect(route(event({ routeKey: "toString" }), key, settings)).rejects.toMatchObject({ statusCode: 404 });
    expect(() => pathParameter(event({ pathParameters: { noteId: "a/b" } }), "noteId", /^[a-z]+$/)).toThrow(
      RequestError,
    );
    expect(() => pathParameter(event(), "noteId", /^[a-z]+$/)).toThrow(RequestError);
  });

  it("has a body of at least one byte and at most as many as there may be, in base64 or not", () => {
    expect(Buffer.from(bodyBytes(event({ body: "aGk=", isBase64Encoded: true }), 2)).toString()).toBe("hi");
    expect(() => bodyBytes(event({ body: "three" }), 4)).toThrow(RequestError);
    expect(() => bodyBytes(event(), 4)).toThrow(RequestError);
  });
});

describe("an error's answer", () => {
  async function answerTo(error: unknown) {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const request = { error, response: undefined } as never;
    await answerErrors().onError?.(request);
    const logged = log.mock.calls.map(([line]) => String(line));
    log.mockRestore();
    return { response: (request as { readonly response: unknown }).response, logged };
  }

  it("has the code and the status of a tenant that can't work, and when to try again, but not the message", async () => {
    const suspended = await answerTo(new TenantKeysError("tenant_suspended", "arn:aws:kms:… of acme"));
    const json = { "content-type": "application/json" };
    expect(suspended.response).toEqual({ statusCode: 423, headers: json, body: '{"error":"tenant_suspended"}' });
    expect(suspended.logged[0]).toContain("arn:aws:kms:… of acme");
    const { response } = await answerTo(new TenantKeysError("throttled", "slow down", { retryAfterMs: 2_000 }));
    expect(response).toMatchObject({ statusCode: 429, headers: { "Retry-After": "2" } });
  });

  it("tells nothing of a fault of the application's own", async () => {
    const { response } = await answerTo(new TypeError("x is not a function"));
    expect(response).toMatchObject({ statusCode: 500, body: '{"error":"internal"}' });
    const mixedUp = await answerTo(new TenantKeysError("tenant_mixed_up", "acme and globex"));
    expect(mixedUp.response).toMatchObject({ statusCode: 500, body: '{"error":"internal"}' });
  });
});

it("a tenant's policy asks for no action that the boundary of its role wouldn't let through by default", () => {
  const settings = parseStageSettings({
    stage: "dev",
    applicationRoleArns: ["arn:aws:iam::111122223333:role/notes-api"],
  });
  const keyArn = "arn:aws:kms:eu-west-1:111122223333:key/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11";
  const at = { tableArn: "arn:aws:dynamodb:eu-west-1:111122223333:table/notes", bucket: "notes-attachments" };
  const { Statement } = tenantPolicy({ tenantId: "acme", keyArn, previousKeyArn: `${keyArn}0` }, at);
  const actions = Statement.flatMap(({ Action }) => Action);

  expect(settings.tenantDataActions).toEqual(expect.arrayContaining(actions));
  expect(POLICY_NAME).not.toMatch(/^key-/);
  expect(JSON.stringify(Statement)).toContain(`${keyArn}0`);
});

it("settings name the variable that isn't there", () => {
  expect(() => readSettings({ TENANTKEYS_STAGE: "dev", AWS_REGION: "" })).toThrow("AWS_REGION");
});
