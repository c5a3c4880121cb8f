import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TenantKeysError } from "../errors.ts";
import { DETAIL_BYTES_MAX, parseSignUp, SIGN_UP_DETAIL_TYPES } from "./parse-sign-up.ts";

const TIME = "2026-03-02T10:00:00Z";
const ENVELOPE = {
  version: "0",
  id: "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
  "detail-type": "TenantSignedUp",
  source: "tenantkeys.application",
  account: "111122223333",
  time: TIME,
  region: "eu-west-1",
  resources: [],
};
const DETAIL = { version: "1", tenantId: "acme" };
const PROFILES = ["default", "strict"];

const parse = (envelope: unknown) => parseSignUp(JSON.stringify(envelope), PROFILES);
const parseDetail = (detail: unknown) => parse({ ...ENVELOPE, detail });

function refusal(act: () => unknown): TenantKeysError {
  try {
    act();
  } catch (error) {
    if (error instanceof TenantKeysError) return error;
    throw error;
  }
  throw new Error("the event was accepted");
}

describe("TenantSignedUp", () => {
  test("the shortest event asks for one key named default, under the default profile, at the event's time", () => {
    expect(parseDetail(DETAIL)).toEqual({
      eventId: ENVELOPE.id,
      tenantId: "acme",
      keyNames: ["default"],
      generation: Date.parse(TIME),
      profile: "default",
    });
  });

  test("the fullest event says all of it", () => {
    const detail = { ...DETAIL, keyNames: ["default", "payroll"], generation: 7, profile: "strict" };
    expect(parseDetail(detail)).toMatchObject({ keyNames: ["default", "payroll"], generation: 7, profile: "strict" });
  });

  test("the generation without one is the event's time, whatever its offset", () => {
    const signUp = parse({ ...ENVELOPE, time: "2026-03-02T12:00:00+02:00", detail: DETAIL });
    expect(signUp.generation).toBe(Date.parse(TIME));
  });

  test.each<[string, unknown]>([
    ["detail.tenantId", { version: "1" }],
    ["detail.tenantId", { ...DETAIL, tenantId: 17 }],
    ["detail.tenantId", { ...DETAIL, tenantId: "Acme_GmbH" }],
    ["detail.tenantId", { ...DETAIL, tenantId: "a".repeat(37) }],
    ["detail.version", { tenantId: "acme" }],
    ["detail.keyNames", { ...DETAIL, keyNames: "default" }],
    ["detail.keyNames", { ...DETAIL, keyNames: [] }],
    ["detail.keyNames", { ...DETAIL, keyNames: Array.from({ length: 11 }, (_, index) => `key-${index}`) }],
    ["detail.keyNames", { ...DETAIL, keyNames: ["default", "default"] }],
    ["detail.keyNames.1", { ...DETAIL, keyNames: ["default", "Payroll"] }],
    ["detail.keyNames.0", { ...DETAIL, keyNames: ["k".repeat(33)] }],
    ["detail.generation", { ...DETAIL, generation: 0 }],
    ["detail.generation", { ...DETAIL, generation: 1.5 }],
    ["detail.generation", { ...DETAIL, generation: 2 ** 53 }],
    ["detail.profile", { ...DETAIL, profile: "Strict" }],
    ["detail.profile", { ...DETAIL, profile: "unheard-of" }],
    ["detail.tenantName", { ...DETAIL, tenantName: "Acme" }],
  ])("a fault in %s is refused by that name: %j", (field, detail) => {
    const error = refusal(() => parseDetail(detail));
    expect(error).toMatchObject({ code: "event_invalid", retryable: false, details: { field, step: "parse" } });
    expect(error.message).toContain(field.replace(/\.\d+$/, ""));
  });

  test("a profile that the stage doesn't have is refused with those it has", () => {
    expect(refusal(() => parseDetail({ ...DETAIL, profile: "gold" })).message).toBe(
      'detail.profile: this stage has no key profile "gold"; it has: default, strict',
    );
  });

  test.each(["2", 1, 1.1, null, [], {}])(
    "version %j is refused as unknown, whatever else the detail holds",
    (version) => {
      const error = refusal(() => parseDetail({ version, tenantId: "acme", fieldOfTheFuture: true }));
      expect(error).toMatchObject({
        code: "event_version_unknown",
        details: { field: "detail.version", tenantId: "acme" },
      });
    },
  );

  test("a refusal carries the tenant id as sent, at most 80 characters of it", () => {
    expect(refusal(() => parseDetail({ ...DETAIL, tenantId: "Acme" })).details.tenantId).toBe("Acme");
    expect(refusal(() => parseDetail({ ...DETAIL, tenantId: "A".repeat(500) })).details.tenantId).toHaveLength(80);
    expect(refusal(() => parseDetail({ ...DETAIL, tenantId: 17 })).details.tenantId).toBeUndefined();
  });
});

describe("SBT-AWS's onboarding request", () => {
  const detail = {
    tenantId: "0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11",
    tenantRegistrationId: "b2f7c1d8-5a55-4a0e-8a8e-0f8f2f5f6c77",
    tenantName: "Initech",
    email: "admin@initech.example",
    tier: "premium",
  };

  test.each(["sbt_aws_onboardingRequest", "onboardingRequest"])("%s is understood, free fields and all", (type) => {
    expect(parse({ ...ENVELOPE, "detail-type": type, source: "sbt.control.plane", detail })).toEqual({
      eventId: ENVELOPE.id,
      tenantId: detail.tenantId,
      keyNames: ["default"],
      generation: Date.parse(TIME),
      profile: "default",
      tenantRegistrationId: detail.tenantRegistrationId,
    });
  });

  test.each([
    ["detail.tenantId", { ...detail, tenantId: undefined }],
    ["detail.tenantId", { ...detail, tenantId: "Initech" }],
    ["detail.tenantRegistrationId", { ...detail, tenantRegistrationId: 3 }],
    ["detail.tenantRegistrationId", { ...detail, tenantRegistrationId: "" }],
  ])("a fault in %s is refused by that name", (field, faulty) => {
    const event = { ...ENVELOPE, "detail-type": "sbt_aws_onboardingRequest", detail: faulty };
    expect(refusal(() => parse(event))).toMatchObject({ code: "event_invalid", details: { field } });
  });
});

describe("the envelope", () => {
  test.each(["", "{", "undefined", "{'a': 1}"])("text that isn't JSON is refused: %s", (body) => {
    expect(refusal(() => parseSignUp(body, PROFILES))).toMatchObject({ code: "event_not_json", retryable: false });
  });

  test.each<[string, unknown]>([
    ["event", null],
    ["event", []],
    ["event", "TenantSignedUp"],
    ["id", { ...ENVELOPE, id: undefined, detail: DETAIL }],
    ["id", { ...ENVELOPE, id: "", detail: DETAIL }],
    ["detail-type", { ...ENVELOPE, "detail-type": 1, detail: DETAIL }],
    ["source", { ...ENVELOPE, source: undefined, detail: DETAIL }],
    ["time", { ...ENVELOPE, time: "yesterday", detail: DETAIL }],
    ["time", { ...ENVELOPE, time: "1970-01-01T00:00:00Z", detail: DETAIL }],
    ["time", { ...ENVELOPE, time: "0001-01-01T00:00:00Z", detail: DETAIL }],
    ["detail", ENVELOPE],
    ["detail", { ...ENVELOPE, detail: '{"version":"1","tenantId":"acme"}' }],
    ["detail", { ...ENVELOPE, detail: [DETAIL] }],
  ])("a fault in %s is refused by that name: %j", (field, envelope) => {
    expect(refusal(() => parse(envelope))).toMatchObject({ code: "event_invalid", details: { field } });
  });

  test("an event of another type is refused, its type named at most in part", () => {
    const error = refusal(() => parse({ ...ENVELOPE, "detail-type": "T".repeat(500), detail: DETAIL }));
    expect(error).toMatchObject({ code: "event_type_unknown", details: { field: "detail-type", tenantId: "acme" } });
    expect(error.message.length).toBeLessThan(120);
  });

  test("a detail of 16 KiB is read, and one byte more is too large, counted in UTF-8", () => {
    const sized = (bytes: number, letter: string) => {
      const room = bytes - new TextEncoder().encode(JSON.stringify({ ...DETAIL, x: "" })).length;
      const letterBytes = new TextEncoder().encode(letter).length;
      return { ...DETAIL, x: letter.repeat(Math.floor(room / letterBytes)) + "y".repeat(room % letterBytes) };
    };
    for (const letter of ["x", "ä", "漢"]) {
      expect(refusal(() => parseDetail(sized(DETAIL_BYTES_MAX, letter))).code).toBe("event_invalid");
      expect(refusal(() => parseDetail(sized(DETAIL_BYTES_MAX + 1, letter)))).toMatchObject({
        code: "event_too_large",
        details: { field: "detail", tenantId: "acme" },
      });
    }
  });

  test.each([33, 8_000, 100_000])(
    "a detail that nests %i levels deep is too large, and never breaks the parser",
    (levels) => {
      const nested = "[".repeat(levels) + "]".repeat(levels);
      const body = JSON.stringify({ ...ENVELOPE, detail: { ...DETAIL, x: "nested" } }).replace('"nested"', nested);
      expect(refusal(() => parseSignUp(body, PROFILES))).toMatchObject({
        code: "event_too_large",
        details: { field: "detail", tenantId: "acme" },
      });
    },
  );
});

/** Most often the usual, so that enough events are accepted, and else anything. */
const or = (usual: fc.Arbitrary<unknown>, other: fc.Arbitrary<unknown> = fc.jsonValue()) =>
  fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: other });

const details = or(
  fc.record(
    {
      version: or(fc.constant("1")),
      tenantId: or(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,36}$/)),
      tenantRegistrationId: or(fc.uuid()),
      keyNames: or(fc.uniqueArray(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/), { minLength: 1, maxLength: 11 })),
      generation: or(fc.maxSafeNat(), fc.oneof(fc.double(), fc.jsonValue())),
      profile: or(fc.constantFrom("default", "strict", "other")),
    },
    { requiredKeys: ["version", "tenantId"] },
  ),
  fc.jsonValue({ maxDepth: 5 }),
);
const times = or(
  fc
    .date({ noInvalidDate: true, min: new Date("1960-01-01"), max: new Date("2100-01-01") })
    .map((date) => date.toISOString()),
  fc.oneof(
    fc
      .date({ noInvalidDate: true, min: new Date("0001-01-01"), max: new Date("9999-12-31") })
      .map((date) => date.toISOString()),
    fc.string(),
    fc.stringMatching(/^20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,12})?(Z|[+-][0-2]\d:[0-5]\d)$/),
  ),
);
const events = fc.record(
  {
    id: fc.oneof({ weight: 9, arbitrary: fc.uuid() }, fc.jsonValue()),
    "detail-type": fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...SIGN_UP_DETAIL_TYPES) }, fc.jsonValue()),
    source: fc.string(),
    time: times,
    detail: details,
  },
  { requiredKeys: ["id", "detail-type", "source", "time", "detail"] },
);
const bodies = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.json(),
  fc.jsonValue().map((value) => JSON.stringify(value)),
  { weight: 4, arbitrary: events.map((event) => JSON.stringify(event)) },
);

test("any text whatever is either a sign-up within the documented limits or a TenantKeysError that names a step", () => {
  let accepted = 0;
  fc.assert(
    fc.property(bodies, (body) => {
      try {
        const signUp = parseSignUp(body, PROFILES);
        accepted++;
        expect(signUp.tenantId).toMatch(/^[a-z0-9][a-z0-9-]{0,35}$/);
        expect(signUp.keyNames.length).toBeGreaterThanOrEqual(1);
        expect(signUp.keyNames.length).toBeLessThanOrEqual(10);
        expect(new Set(signUp.keyNames).size).toBe(signUp.keyNames.length);
        for (const keyName of signUp.keyNames) expect(keyName).toMatch(/^[a-z0-9][a-z0-9-]{0,31}$/);
        expect(Number.isSafeInteger(signUp.generation) && signUp.generation >= 1).toBe(true);
        expect(PROFILES).toContain(signUp.profile);
      } catch (error) {
        if (!(error instanceof TenantKeysError)) throw error;
        expect(error.retryable).toBe(false);
        expect(error.details.step).toBe("parse");
        expect(error.message.length).toBeLessThan(1_000);
      }
    }),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(100);
});
