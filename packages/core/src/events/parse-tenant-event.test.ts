import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TenantKeysError } from "../errors.ts";
import { parseStage } from "../ids.ts";
import { RULE_IDS } from "../verification/finding-rules.ts";
import { REPAIRABLE_RULES } from "../verification/repair.ts";
import { type EventMapping, eventMappingsSchema } from "./event-mapping.ts";
import { EVENT_SCHEMAS } from "./event-schemas.ts";
import { DETAIL_BYTES_MAX, type EventStage, parseTenantEvent } from "./parse-tenant-event.ts";
import { EVENT_DETAIL_TYPES } from "./rule-pattern.ts";
import { TENANT_EVENT_TYPES, type TenantEventType } from "./tenant-event.ts";

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
const STAGE: EventStage = { stage: parseStage("dev"), profiles: { default: {}, strict: {} }, eventMappings: [] };

const parse = (envelope: unknown) => parseTenantEvent(JSON.stringify(envelope), STAGE);
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
  test("the shortest event asks for one key named default, of the stage's profile for it, at the event's time", () => {
    expect(parseDetail(DETAIL)).toEqual({
      type: "TenantSignedUp",
      eventId: ENVELOPE.id,
      tenantId: "acme",
      keyNames: ["default"],
      generation: Date.parse(TIME),
      profile: undefined,
      replyTo: "tenantkeys",
    });
  });

  test("the fullest event says all of it", () => {
    const detail = { ...DETAIL, keyNames: ["default", "payroll"], generation: 7, profile: "strict", stage: "dev" };
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
    ["detail.profile", { ...DETAIL, profile: "constructor" }],
    ["detail.stage", { ...DETAIL, stage: "Dev" }],
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

  test("another stage's event is refused, whatever profiles this one has, and this stage's is read", () => {
    const error = refusal(() => parseDetail({ ...DETAIL, stage: "production", profile: "gold" }));
    expect(error).toMatchObject({ code: "stage_mismatch", details: { field: "detail.stage", tenantId: "acme" } });
    expect(error.message).toContain('meant for stage "production", and this is "dev"');
    expect(parseDetail({ ...DETAIL, stage: "dev" })).not.toHaveProperty("stage");
  });

  test("a refusal carries the tenant id as sent, at most 80 characters of it", () => {
    expect(refusal(() => parseDetail({ ...DETAIL, tenantId: "Acme" })).details.tenantId).toBe("Acme");
    expect(refusal(() => parseDetail({ ...DETAIL, tenantId: "A".repeat(500) })).details.tenantId).toHaveLength(80);
    expect(refusal(() => parseDetail({ ...DETAIL, tenantId: 17 })).details.tenantId).toBeUndefined();
  });
});

const MATERIAL = Buffer.alloc(8, 7).toString("base64");
const TOKEN = Buffer.alloc(9, 9).toString("base64");

describe("each type of event", () => {
  test.each<[TenantEventType, object, object]>([
    ["TenantKeyAdded", { keyName: "payroll" }, { keyName: "payroll", profile: undefined, keyArn: undefined }],
    [
      "TenantKeyAdded",
      { keyName: "own", profile: "strict", keyArn: "arn:aws:kms:eu-west-1:444455556666:key/mrk-1" },
      { keyName: "own", profile: "strict", keyArn: "arn:aws:kms:eu-west-1:444455556666:key/mrk-1" },
    ],
    ["TenantSuspended", {}, { reason: undefined }],
    ["TenantSuspended", { reason: "unpaid since März 🧾" }, { reason: "unpaid since März 🧾" }],
    ["TenantResumed", {}, {}],
    ["TenantOffboarded", { reason: "contract ended" }, { reason: "contract ended" }],
    ["TenantReinstated", {}, {}],
    ["TenantOffboardingApproved", { offboardingGeneration: 8 }, { offboardingGeneration: 8 }],
    ["TenantLegalHoldPlaced", { reason: "case 4711" }, { reason: "case 4711" }],
    ["TenantLegalHoldReleased", {}, { reason: undefined }],
    ["TenantKeyRotationRequested", {}, { keyName: "default" }],
    ["TenantKeyRotationRequested", { keyName: "payroll" }, { keyName: "payroll" }],
    [
      "TenantKeyMaterialSupplied",
      { encryptedKeyMaterial: MATERIAL, importToken: TOKEN },
      { keyName: "default", encryptedKeyMaterial: MATERIAL, importToken: TOKEN, expiresAtMs: undefined },
    ],
    [
      "TenantKeyMaterialSupplied",
      { keyName: "byok", encryptedKeyMaterial: MATERIAL, importToken: TOKEN, expiresAt: "2027-03-02T12:00:00+02:00" },
      { keyName: "byok", expiresAtMs: Date.parse("2027-03-02T10:00:00Z") },
    ],
  ])("%s %j is read", (type, fields, expected) => {
    expect(parse({ ...ENVELOPE, "detail-type": type, detail: { ...DETAIL, generation: 9, ...fields } })).toMatchObject({
      type,
      eventId: ENVELOPE.id,
      tenantId: "acme",
      generation: 9,
      replyTo: "tenantkeys",
      ...expected,
    });
  });

  test.each<[TenantEventType, string, object]>([
    ["TenantKeyAdded", "detail.keyName", {}],
    ["TenantKeyAdded", "detail.keyName", { keyName: "Payroll" }],
    ["TenantKeyAdded", "detail.keyArn", { keyName: "own", keyArn: "alias/own" }],
    ["TenantKeyAdded", "detail.xksKeyId", { keyName: "own", xksKeyId: "no spaces" }],
    ["TenantKeyAdded", "detail.profile", { keyName: "own", profile: "gold" }],
    ["TenantKeyAdded", "detail.keyNames", { keyName: "own", keyNames: ["own"] }],
    ["TenantSuspended", "detail.reason", { reason: "" }],
    ["TenantSuspended", "detail.reason", { reason: " unpaid" }],
    ["TenantSuspended", "detail.reason", { reason: "two\nlines" }],
    ["TenantSuspended", "detail.reason", { reason: "turned \u202e round" }],
    ["TenantSuspended", "detail.reason", { reason: "half a pair \ud800" }],
    ["TenantSuspended", "detail.reason", { reason: "🧾".repeat(257) }],
    ["TenantResumed", "detail.reason", { reason: "paid" }],
    ["TenantOffboardingApproved", "detail.offboardingGeneration", {}],
    ["TenantOffboardingApproved", "detail.offboardingGeneration", { offboardingGeneration: 0 }],
    ["TenantLegalHoldPlaced", "detail.reason", {}],
    ["TenantKeyRotationRequested", "detail.keyName", { keyName: "" }],
    ["TenantKeyMaterialSupplied", "detail.importToken", { encryptedKeyMaterial: MATERIAL }],
    ["TenantKeyMaterialSupplied", "detail.encryptedKeyMaterial", { importToken: TOKEN }],
    ...["", "QQ", "QQ=", "QR==", "QUJ=", "Q_-=", "QQ==QQ==", " QQ==", "QQ==\n"].map(
      (text): [TenantEventType, string, object] => [
        "TenantKeyMaterialSupplied",
        "detail.encryptedKeyMaterial",
        { encryptedKeyMaterial: text, importToken: TOKEN },
      ],
    ),
    [
      "TenantKeyMaterialSupplied",
      "detail.importToken",
      { encryptedKeyMaterial: "QQ==", importToken: Buffer.alloc(6_145).toString("base64") },
    ],
    ...["2027-02-30T10:00:00Z", "2027-13-01T10:00:00Z", "1970-01-01T00:00:00Z", "2027-03-02", 7, null].map(
      (expiresAt): [TenantEventType, string, object] => [
        "TenantKeyMaterialSupplied",
        "detail.expiresAt",
        { encryptedKeyMaterial: MATERIAL, importToken: TOKEN, expiresAt },
      ],
    ),
  ])("%s is refused for %s in %j", (type, field, fields) => {
    const event = { ...ENVELOPE, "detail-type": type, detail: { ...DETAIL, ...fields } };
    expect(refusal(() => parse(event))).toMatchObject({ code: "event_invalid", details: { field, tenantId: "acme" } });
  });

  test("material of 6,144 bytes, KMS's longest, is read, and so is a reason of 256 characters", () => {
    const encryptedKeyMaterial = Buffer.alloc(6_144, 1).toString("base64");
    const detail = { ...DETAIL, encryptedKeyMaterial, importToken: TOKEN };
    expect(parse({ ...ENVELOPE, "detail-type": "TenantKeyMaterialSupplied", detail })).toMatchObject({
      encryptedKeyMaterial,
    });
    const reason = "🧾".repeat(256);
    const held = { ...ENVELOPE, "detail-type": "TenantLegalHoldPlaced", detail: { ...DETAIL, reason } };
    expect(parse(held)).toMatchObject({ reason });
  });

  test.each(TENANT_EVENT_TYPES)("%s of another version or for another stage is refused", (type) => {
    const event = { ...ENVELOPE, source: "tenantkeys", "detail-type": type };
    const refused = (detail: object) => refusal(() => parse({ ...event, detail }));
    expect(refused({ ...DETAIL, version: "2" })).toMatchObject({ code: "event_version_unknown" });
    const needed = {
      keyName: "a",
      reason: "r",
      offboardingGeneration: 1,
      encryptedKeyMaterial: "QQ==",
      importToken: "QQ==",
      rules: ["rotation-off"],
    };
    const names = Object.keys(EVENT_SCHEMAS[type].shape);
    const fields = Object.fromEntries(Object.entries(needed).filter(([name]) => names.includes(name)));
    expect(parse({ ...event, detail: { ...DETAIL, ...fields } })).toMatchObject({ type, tenantId: "acme" });
    expect(refused({ ...DETAIL, ...fields, stage: "other" })).toMatchObject({ code: "stage_mismatch" });
  });
});

describe("TenantKeyReviewDue", () => {
  const event = { ...ENVELOPE, "detail-type": "TenantKeyReviewDue", detail: { ...DETAIL, keyName: "payroll" } };

  test("is taken from tenantkeys itself", () => {
    expect(parse({ ...event, source: "tenantkeys" })).toMatchObject({ type: "TenantKeyReviewDue", keyName: "payroll" });
  });

  test("is refused from anybody else, and the bus's rule doesn't list it", () => {
    expect(refusal(() => parse(event))).toMatchObject({ code: "event_type_unknown", details: { field: "source" } });
    expect(EVENT_DETAIL_TYPES).not.toContain("TenantKeyReviewDue");
  });
});

describe("TenantKeyRepairRequested", () => {
  const event = { ...ENVELOPE, "detail-type": "TenantKeyRepairRequested" };
  const read = (fields: object) => parse({ ...event, detail: { ...DETAIL, keyName: "payroll", ...fields } });

  test("names a key and the rules of the findings, and a person asks unless it says otherwise", () => {
    const rules = ["rotation-off", "key-disabled"];
    expect(read({ rules })).toMatchObject({ keyName: "payroll", rules, automatic: false });
    expect(read({ rules, automatic: true })).toMatchObject({ automatic: true });
  });

  test.each([[[]], [["key-missing"]], [["rotation-off", "rotation-off"]], ["rotation-off"], [undefined]])(
    "with the rules %j is refused",
    (rules) => {
      expect(refusal(() => read({ rules }))).toMatchObject({ code: "event_invalid" });
    },
  );

  test("isn't among the events of the bus", () => {
    expect(EVENT_DETAIL_TYPES).not.toContain("TenantKeyRepairRequested");
  });
});

describe("SBT-AWS's request", () => {
  const detail = {
    tenantId: "0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11",
    tenantRegistrationId: "b2f7c1d8-5a55-4a0e-8a8e-0f8f2f5f6c77",
    tenantName: "Initech",
    email: "admin@initech.example",
    tier: "premium",
    stage: "a field of their own",
  };
  const signUp = { keyNames: ["default"], profile: undefined };

  test.each<[string, TenantEventType, object]>([
    ["onboardingRequest", "TenantSignedUp", signUp],
    ["offboardingRequest", "TenantOffboarded", {}],
    ["activateRequest", "TenantResumed", {}],
    ["deactivateRequest", "TenantSuspended", {}],
  ])("%s is read as %s, with and without its prefix, free fields and all", (request, type, expected) => {
    for (const detailType of [request, `sbt_aws_${request}`]) {
      expect(parse({ ...ENVELOPE, "detail-type": detailType, source: "sbt.control.plane", detail })).toEqual({
        type,
        eventId: ENVELOPE.id,
        tenantId: detail.tenantId,
        generation: Date.parse(TIME),
        replyTo: "sbt",
        tenantRegistrationId: detail.tenantRegistrationId,
        ...expected,
      });
      expect(EVENT_DETAIL_TYPES).toContain(detailType);
    }
  });

  test.each(["sbt_aws_sbt_aws_onboardingRequest", "sbt_aws_", "sbt_aws_provisionSuccess", "toString"])(
    "%s is none of them",
    (type) => {
      expect(refusal(() => parse({ ...ENVELOPE, "detail-type": type, detail })).code).toBe("event_type_unknown");
    },
  );

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

describe("an event of another form", () => {
  const eventMappings: readonly EventMapping[] = eventMappingsSchema.parse([
    {
      detailType: "CustomerCreated",
      source: "crm",
      as: "TenantSignedUp",
      fields: {
        tenantId: "$.detail.customer.id",
        keyNames: "$.detail['data classes']",
        generation: "$.detail.revision",
      },
      constants: { profile: "strict" },
    },
    { detailType: "CustomerLeft", source: "crm", as: "TenantOffboarded", fields: { tenantId: "$.detail.ids[-1]" } },
    {
      detailType: "CustomerHeld",
      source: "legal",
      as: "TenantLegalHoldPlaced",
      fields: { tenantId: "$.detail.id", stage: "$.detail.env" },
      constants: { reason: "asked for by legal" },
    },
  ]);
  const read = (detailType: string, detail: unknown, source = "crm") =>
    parseTenantEvent(JSON.stringify({ ...ENVELOPE, source, "detail-type": detailType, detail }), {
      ...STAGE,
      eventMappings,
    });
  const customer = { customer: { id: "acme", name: "Acme" }, "data classes": ["hr", "pay"], revision: 12 };

  test("is read as its mapping says, from its paths and constants", () => {
    expect(read("CustomerCreated", customer)).toEqual({
      type: "TenantSignedUp",
      eventId: ENVELOPE.id,
      tenantId: "acme",
      keyNames: ["hr", "pay"],
      generation: 12,
      profile: "strict",
      replyTo: "tenantkeys",
    });
    expect(read("CustomerLeft", { ids: ["x", "acme"] })).toMatchObject({
      type: "TenantOffboarded",
      tenantId: "acme",
      generation: Date.parse(TIME),
    });
  });

  test.each<[string, object]>([
    ["$.detail.customer.id", { ...customer, customer: {} }],
    ["$.detail.customer.id", { ...customer, customer: "acme" }],
    ["$.detail['data classes']", { ...customer, "data classes": undefined }],
    ["$.detail.revision", { ...customer, revision: undefined }],
  ])("is refused with the path that isn't in it: %s", (path, detail) => {
    const error = refusal(() => read("CustomerCreated", detail));
    expect(error).toMatchObject({ code: "event_mapping_unresolved", retryable: false, details: { field: path } });
    expect(error.message).toMatch(/^\$\.detail.*: is not in the event.* of TenantSignedUp from there$/);
    expect(error.details.step).toBe("parse");
  });

  test.each<[string, object, string]>([
    ["detail.tenantId", { ...customer, customer: { id: "Acme GmbH" } }, "(read from $.detail.customer.id)"],
    ["detail.tenantId", { ...customer, customer: { id: 4711 } }, "expected string, got number"],
    ["detail.tenantId", { ...customer, customer: { id: null } }, "expected string, got null"],
    ["detail.keyNames.1", { ...customer, "data classes": ["hr", "PAY"] }, "(read from $.detail['data classes'])"],
    ["detail.keyNames", { ...customer, "data classes": "hr" }, "expected array"],
    ["detail.generation", { ...customer, revision: "12" }, "(read from $.detail.revision)"],
  ])("is refused by our field's name where a value is no %s", (field, detail, words) => {
    const error = refusal(() => read("CustomerCreated", detail));
    expect(error).toMatchObject({ code: "event_invalid", details: { field } });
    expect(error.message).toContain(words);
  });

  test("names the tenant as sent where another path isn't in it", () => {
    const error = refusal(() => read("CustomerCreated", { customer: { id: "acme" } }));
    expect(error.details.tenantId).toBe("acme");
  });

  test("of another stage is refused, by the field that was mapped", () => {
    expect(read("CustomerHeld", { id: "acme", env: "dev" }, "legal")).toMatchObject({ reason: "asked for by legal" });
    const error = refusal(() => read("CustomerHeld", { id: "acme", env: "prod" }, "legal"));
    expect(error).toMatchObject({ code: "stage_mismatch" });
    expect(error.message).toContain("(read from $.detail.env)");
  });

  test("with a constant profile that the stage lacks is refused by that name", () => {
    const body = JSON.stringify({ ...ENVELOPE, source: "crm", "detail-type": "CustomerCreated", detail: customer });
    const error = refusal(() => parseTenantEvent(body, { ...STAGE, profiles: { default: {} }, eventMappings }));
    expect(error).toMatchObject({ code: "event_invalid", details: { field: "detail.profile" } });
  });

  test("from another source than the mapping's is unknown", () => {
    expect(refusal(() => read("CustomerCreated", customer, "legal")).code).toBe("event_type_unknown");
  });

  test("nests and holds no more than any other", () => {
    expect(refusal(() => read("CustomerCreated", { ...customer, notes: "n".repeat(DETAIL_BYTES_MAX) })).code).toBe(
      "event_too_large",
    );
  });
});

describe("the envelope", () => {
  test.each(["", "{", "undefined", "{'a': 1}"])("text that isn't JSON is refused: %s", (body) => {
    expect(refusal(() => parseTenantEvent(body, STAGE))).toMatchObject({ code: "event_not_json", retryable: false });
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
      expect(refusal(() => parseTenantEvent(body, STAGE))).toMatchObject({
        code: "event_too_large",
        details: { field: "detail", tenantId: "acme" },
      });
    },
  );
});

/** Most often the usual, so that enough events are accepted, and else anything. */
const or = (usual: fc.Arbitrary<unknown>, other: fc.Arbitrary<unknown> = fc.jsonValue()) =>
  fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: other });

const base64 = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("base64"));
const keyName = or(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/));
const FIELDS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  version: or(fc.constant("1")),
  tenantId: or(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,36}$/)),
  generation: or(fc.maxSafeNat(), fc.oneof(fc.double(), fc.jsonValue())),
  stage: or(fc.constantFrom("dev", "dev", "dev", "production")),
  keyNames: or(fc.uniqueArray(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/), { minLength: 1, maxLength: 11 })),
  keyName,
  profile: or(fc.constantFrom("default", "strict", "other")),
  keyArn: or(fc.constant("arn:aws:kms:eu-west-1:444455556666:key/1")),
  xksKeyId: or(fc.stringMatching(/^[A-Za-z0-9_.-]{1,10}$/)),
  reason: or(fc.string({ minLength: 1, maxLength: 260 }), fc.string({ unit: "binary" })),
  offboardingGeneration: or(fc.maxSafeNat()),
  encryptedKeyMaterial: or(base64, fc.base64String()),
  importToken: or(base64),
  rules: or(fc.subarray([...REPAIRABLE_RULES], { minLength: 1 }), fc.array(fc.constantFrom(...RULE_IDS))),
  automatic: or(fc.boolean()),
  expiresAt: or(
    fc.date({ noInvalidDate: true, min: new Date(1), max: new Date("2100-01-01") }).map((d) => d.toISOString()),
  ),
};
/** A detail of the type's own fields, each mostly valid, and sometimes of all fields or of none. */
function detailOf(type: string): fc.Arbitrary<unknown> {
  const names = Object.keys(EVENT_SCHEMAS[type as TenantEventType]?.shape ?? { tenantId: 0 });
  const own = Object.fromEntries(names.map((name) => [name, FIELDS[name] ?? fc.jsonValue()]));
  return fc.oneof(
    { weight: 8, arbitrary: fc.record(own) },
    { weight: 8, arbitrary: fc.record(own, { requiredKeys: ["tenantId"] }) },
    { weight: 1, arbitrary: fc.record(FIELDS) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 5 }) },
  );
}
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
const types = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(...EVENT_DETAIL_TYPES, "TenantKeyReviewDue", "TenantKeyRepairRequested", "Mapped"),
  },
  { weight: 1, arbitrary: fc.string() },
);
const events = types.chain((type) =>
  fc.record({
    id: fc.oneof({ weight: 9, arbitrary: fc.uuid() }, fc.jsonValue()),
    "detail-type": or(fc.constant(type)),
    source: fc.oneof(fc.constantFrom("tenantkeys", "crm"), fc.string()),
    time: times,
    detail: detailOf(type),
  }),
);
const bodies = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.json(),
  fc.jsonValue().map((value) => JSON.stringify(value)),
  { weight: 12, arbitrary: events.map((event) => JSON.stringify(event)) },
);

const MAPPED = eventMappingsSchema.parse([
  { detailType: "Mapped", source: "crm", as: "TenantSuspended", fields: { tenantId: "$.detail.tenantId" } },
]);

test("any text whatever is either an event within the documented limits or a TenantKeysError that names its step", () => {
  const accepted = new Map<string, number>();
  fc.assert(
    fc.property(bodies, (body) => {
      try {
        const event = parseTenantEvent(body, { ...STAGE, eventMappings: MAPPED });
        accepted.set(event.type, (accepted.get(event.type) ?? 0) + 1);
        expect(TENANT_EVENT_TYPES).toContain(event.type);
        expect(event.tenantId).toMatch(/^[a-z0-9][a-z0-9-]{0,35}$/);
        expect(Number.isSafeInteger(event.generation) && event.generation >= 1).toBe(true);
        const keyNames = "keyNames" in event ? event.keyNames : "keyName" in event ? [event.keyName] : [];
        expect(new Set(keyNames).size).toBe(keyNames.length);
        expect(keyNames.length).toBeLessThanOrEqual(10);
        for (const name of keyNames) expect(name).toMatch(/^[a-z0-9][a-z0-9-]{0,31}$/);
        if ("profile" in event && event.profile !== undefined) expect(STAGE.profiles).toHaveProperty(event.profile);
        if ("reason" in event && event.reason !== undefined) expect([...event.reason].length).toBeLessThanOrEqual(256);
        if (event.type === "TenantKeyMaterialSupplied") {
          const bytes = Buffer.from(event.encryptedKeyMaterial, "base64");
          expect(bytes.toString("base64")).toBe(event.encryptedKeyMaterial);
          expect(bytes.length).toBeGreaterThan(0);
        }
      } catch (error) {
        if (!(error instanceof TenantKeysError)) throw error;
        expect(error.retryable).toBe(false);
        expect(error.details.step).toBe("parse");
        expect(error.message.length).toBeLessThan(1_000);
      }
    }),
    { numRuns: 6000 },
  );
  for (const type of TENANT_EVENT_TYPES) expect(accepted.get(type), type).toBeGreaterThan(5);
});
