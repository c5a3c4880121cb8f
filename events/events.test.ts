/** The schemas and samples of this folder, against the code that reads and writes these events. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import {
  EVENT_SCHEMAS,
  eventJsonSchema,
  eventMappingsSchema,
  parseStage,
  parseTenantEvent,
  REPAIRABLE_RULES,
  REPLY_TYPES,
  RULE_IDS,
  replyJsonSchema,
  SBT_REPLY_KINDS,
  sbtReplyDetailType,
  sbtReplyJsonSchema,
  sbtRequestJsonSchema,
  TENANT_EVENT_TYPES,
  type TenantEvent,
  type TenantEventOf,
  type TenantEventType,
  type TenantKeysError,
} from "@tenantkeys/core";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

interface Sample {
  readonly source: string;
  readonly "detail-type": string;
  readonly time: string;
  readonly detail: unknown;
}
interface RefusedSample {
  readonly expected: { readonly code: string; readonly field: string };
  readonly event: Sample;
}
type InFile<Content> = Content & { readonly file: string };

const STAGE = { stage: parseStage("dev"), profiles: { default: {} }, eventMappings: [] };
/** What the bus adds to what a publisher passes. */
const BUS_ADDS = {
  version: "0",
  id: "17793124-05d4-b198-2fde-7ededc63b103",
  account: "111122223333",
  region: "eu-west-1",
  resources: [],
};

const readJson = (path: string): unknown => JSON.parse(readFileSync(`${import.meta.dirname}/${path}`, "utf8"));

/** The samples of a folder; none where it isn't there. */
function readFolder<Content>(folder: string): readonly InFile<Content>[] {
  const path = `${import.meta.dirname}/${folder}`;
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .sort()
    .map((file) => ({ file, ...(readJson(`${folder}/${file}`) as Content) }));
}

const parse = ({ source, "detail-type": type, time, detail }: Sample): TenantEvent =>
  parseTenantEvent(JSON.stringify({ ...BUS_ADDS, source, "detail-type": type, time, detail }), STAGE);

const ajv = new Ajv2020({ strict: true });
const validator = (folder: string) => {
  const schema = readJson(`${folder}/v1.schema.json`) as { $id: string };
  return ajv.getSchema(schema.$id) ?? ajv.compile(schema);
};

/** Each type that is read: its folder, its detail type, its source, and what it is read as. */
interface ReadType {
  readonly folder: string;
  readonly detailType: string;
  readonly source: string;
  readonly as: TenantEventType;
  readonly schema: Record<string, unknown>;
}
const OWN: readonly ReadType[] = TENANT_EVENT_TYPES.map((type) => ({
  folder: type,
  detailType: type,
  source: type === "TenantKeyReviewDue" ? "tenantkeys" : "tenantkeys.application",
  as: type,
  schema: eventJsonSchema(type),
}));
const SBT_REQUESTS: readonly ReadType[] = (
  [
    ["onboarding", "TenantSignedUp"],
    ["offboarding", "TenantOffboarded"],
    ["activate", "TenantResumed"],
    ["deactivate", "TenantSuspended"],
  ] as const
).map(([request, as]) => ({
  folder: `sbt-${request}-request`,
  detailType: `sbt_aws_${request}Request`,
  source: "sbt.control.plane",
  as,
  schema: sbtRequestJsonSchema(`${request}Request`),
}));
const READ = [...OWN, ...SBT_REQUESTS];

const sbtReplyFolder = (kind: string) => `sbt-${kind.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`;
/** Each type that is published. */
const PUBLISHED = [
  ...REPLY_TYPES.map((type) => ({
    folder: type as string,
    detailType: type as string,
    source: "tenantkeys",
    schema: replyJsonSchema(type),
  })),
  ...SBT_REPLY_KINDS.map((kind) => ({
    folder: sbtReplyFolder(kind),
    detailType: sbtReplyDetailType(kind),
    source: "sbt.application.plane",
    schema: sbtReplyJsonSchema(kind),
  })),
];

test("every type has a folder here, and every folder a type", () => {
  const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).sort()).toEqual(
    [...READ, ...PUBLISHED, { folder: "mapped" }].map(({ folder }) => folder).sort(),
  );
});

test.each([...READ, ...PUBLISHED])("events/$folder/v1.schema.json is what the code says", (type) => {
  expect(readJson(`${type.folder}/v1.schema.json`)).toEqual(type.schema);
  expect(type.schema.$id).toBe(`urn:tenantkeys:events:${type.detailType}:v1`);
});

describe.each(READ)("events/$folder", ({ folder, detailType, source, as }) => {
  const holds = validator(folder);
  const accepted = readFolder<Sample>(`${folder}/accepted`);
  const refused = readFolder<RefusedSample>(`${folder}/refused`).filter(
    ({ event }) => typeof event.detail !== "string",
  );

  test("has samples of both kinds", () => {
    expect(accepted.length).toBeGreaterThanOrEqual(2);
    // npm start publishes the samples of this folder, and needs no more refused ones.
    if (folder !== "sbt-onboarding-request") expect(refused.length).toBeGreaterThanOrEqual(1);
  });

  test.each(accepted)("accepted/$file holds to the schema and is read as it says", (sample) => {
    expect(holds(sample.detail), JSON.stringify(holds.errors)).toBe(true);
    const detail = sample.detail as Record<string, unknown>;
    const { version: _1, stage: _2, expiresAt, generation, ...ours } = detail;
    const isSbt = folder.startsWith("sbt-");
    const said = isSbt ? { tenantId: detail.tenantId, tenantRegistrationId: detail.tenantRegistrationId } : ours;
    expect(parse(sample)).toMatchObject({
      type: as,
      ...said,
      generation: generation ?? Date.parse(sample.time),
      replyTo: isSbt ? "sbt" : "tenantkeys",
      ...(expiresAt === undefined ? {} : { expiresAtMs: Date.parse(String(expiresAt)) }),
    });
    expect(sample.source).toBe(source);
    expect([detailType, detailType.replace("sbt_aws_", "")]).toContain(sample["detail-type"]);
  });

  test.each(refused)("refused/$file is refused with $expected.code in $expected.field, and by the schema", (sample) => {
    expect(refusalOf(sample.event)).toMatchObject({
      code: sample.expected.code,
      retryable: false,
      details: { field: sample.expected.field },
    });
    expect(holds(sample.event.detail)).toBe(false);
    expect(sample.event).toMatchObject({ source, "detail-type": detailType });
  });
});

function refusalOf(event: Sample): TenantKeysError {
  try {
    parse(event);
  } catch (error) {
    return error as TenantKeysError;
  }
  throw new Error("the sample was accepted");
}

describe.each(PUBLISHED)("events/$folder", ({ folder, detailType, source }) => {
  const holds = validator(folder);

  test("has samples that hold to its schema", () => {
    const samples = readFolder<Sample>(`${folder}/samples`);
    expect(samples.length).toBeGreaterThan(0);
    for (const sample of samples) {
      expect(holds(sample.detail), JSON.stringify(holds.errors)).toBe(true);
      expect(sample).toMatchObject({ source, "detail-type": detailType });
      const detail = sample.detail as object;
      expect(holds("version" in detail ? { ...detail, version: "2" } : { ...detail, jobOutput: {} })).toBe(false);
    }
  });
});

const SIGNED_UP = readFolder<Sample>("TenantSignedUp/accepted");
const SBT = readFolder<Sample>("sbt-onboarding-request/accepted");
const REFUSED = readFolder<RefusedSample>("TenantSignedUp/refused");
const SBT_REFUSED = readFolder<RefusedSample>("sbt-onboarding-request/refused");

describe("the sign-ups that npm start publishes", () => {
  test("there are 25 samples: 18 accepted and 7 refused, each about another tenant", () => {
    expect([SIGNED_UP.length + SBT.length, REFUSED.length + SBT_REFUSED.length]).toEqual([18, 7]);
    const details = [...SIGNED_UP, ...SBT, ...REFUSED.map(({ event }) => event)].map(({ detail }) => detail);
    const tenantIds = details
      .map((detail) => (detail as { tenantId?: unknown }).tenantId)
      .filter((id) => id !== undefined);
    expect(tenantIds).toHaveLength(23);
    expect(new Set(tenantIds).size).toBe(tenantIds.length);
  });

  test("the accepted samples reach every limit of the schema", () => {
    const signUps = SIGNED_UP.map((sample) => parse(sample) as TenantEventOf<"TenantSignedUp">);
    expect(signUps.map(({ tenantId }) => tenantId.length)).toEqual(expect.arrayContaining([1, 36]));
    expect(Math.max(...signUps.flatMap(({ keyNames }) => keyNames.map((name) => name.length)))).toBe(32);
    expect(Math.max(...signUps.map(({ keyNames }) => keyNames.length))).toBe(10);
    expect(signUps.map(({ generation }) => generation)).toEqual(expect.arrayContaining([1, 7]));
  });

  const unreadable = REFUSED.filter(({ event }) => typeof event.detail === "string");

  test("one sample's detail is text that isn't JSON: the bus itself refuses it, so whoever publishes it keeps it", () => {
    expect(unreadable).toHaveLength(1);
    expect(unreadable[0]?.expected).toEqual({ code: "event_not_json", field: "detail" });
    expect(() => JSON.parse(String(unreadable[0]?.event.detail))).toThrow(SyntaxError);
  });

  test("each refused sample differs from an accepted event only in what it is refused for", () => {
    const mended = {
      "detail-not-json.json": () => ({ version: "1", tenantId: "oscorp" }),
      "detail-oversized.json": ({ notes: _, ...detail }) => detail,
      "tenant-id-bad-characters.json": (detail) => ({ ...detail, tenantId: "dunder-mifflin" }),
      "tenant-id-missing.json": (detail) => ({ ...detail, tenantId: "oceanic" }),
      "tenant-id-of-37-characters.json": (detail) => ({ ...detail, tenantId: String(detail.tenantId).slice(0, 36) }),
      "version-unknown.json": (detail) => ({ ...detail, version: "1" }),
      "wrong-types.json": (detail) => ({ ...detail, tenantId: "4712", keyNames: ["default"] }),
    } satisfies Record<string, (detail: Record<string, unknown>) => unknown>;
    for (const { file, event } of REFUSED) {
      const mend: ((detail: Record<string, unknown>) => unknown) | undefined = mended[file as keyof typeof mended];
      expect(parse({ ...event, detail: mend?.(event.detail as Record<string, unknown>) })).toHaveProperty("tenantId");
    }
  });
});

describe("an event of another form", () => {
  const { eventMappings } = readJson("mapped/settings.json") as { eventMappings: unknown };
  const stage = { ...STAGE, eventMappings: eventMappingsSchema.parse(eventMappings) };
  const parseMapped = (sample: Sample) => parseTenantEvent(JSON.stringify({ ...BUS_ADDS, ...sample }), stage);

  test.each(readFolder<Sample & { expected: object }>("mapped/accepted"))(
    "mapped/accepted/$file is read as the mappings of mapped/settings.json say",
    ({ expected, file: _, ...sample }) => {
      expect(parseMapped(sample)).toMatchObject(expected);
    },
  );

  test.each(readFolder<RefusedSample>("mapped/refused"))(
    "mapped/refused/$file is refused with $expected.code in $expected.field",
    ({ expected, event }) => {
      expect(() => parseMapped(event)).toThrow(
        expect.objectContaining({ code: expected.code, details: expect.objectContaining({ field: expected.field }) }),
      );
    },
  );
});

/** Most often the usual, and else anything. */
const or = <Value>(usual: fc.Arbitrary<Value>, other: fc.Arbitrary<unknown> = fc.jsonValue()) =>
  fc.oneof<fc.MaybeWeightedArbitrary<unknown>[]>({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: other });
const names = fc.stringMatching(/^[a-z0-9-]{1,33}$/);
const base64 = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString("base64"));
const FIELDS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  version: or(fc.constant("1")),
  tenantId: or(fc.stringMatching(/^[a-z0-9-]{1,37}$/)),
  generation: or(fc.maxSafeNat(), fc.oneof(fc.double(), fc.jsonValue())),
  stage: or(fc.stringMatching(/^[a-z0-9]{1,21}$/)),
  keyNames: or(fc.uniqueArray(names, { maxLength: 11 }), fc.oneof(fc.constant(["a", "a"]), fc.jsonValue())),
  keyName: or(names),
  profile: or(names),
  keyArn: or(fc.constantFrom("arn:aws:kms:eu-west-1:444455556666:key/mrk-1", "arn:aws:kms:eu-west-1:4:key/1")),
  xksKeyId: or(fc.stringMatching(/^[A-Za-z0-9_.-]{1,10}$/)),
  reason: or(fc.string({ maxLength: 300 }), fc.string({ unit: "binary", maxLength: 300 })),
  offboardingGeneration: or(fc.maxSafeNat()),
  encryptedKeyMaterial: or(base64, fc.base64String()),
  importToken: or(base64, fc.stringMatching(/^[A-Za-z0-9+/=]{0,9}$/)),
  rules: or(
    fc.subarray([...REPAIRABLE_RULES], { minLength: 1 }),
    fc.array(fc.constantFrom(...RULE_IDS, "rotation"), { maxLength: 5 }),
  ),
  automatic: or(fc.boolean()),
  // What the calendar doesn't have is refused by the code alone: a JSON Schema's pattern can't count days.
  expiresAt: or(
    fc.date({ noInvalidDate: true, min: new Date(1), max: new Date(4e12) }).map((date) => date.toISOString()),
  ),
};

test.each(TENANT_EVENT_TYPES)(
  "the JSON Schema of %s and the parser's own schema say the same of every detail",
  (type) => {
    const isValid = validator(type);
    const own = Object.fromEntries(
      Object.keys(EVENT_SCHEMAS[type].shape).map((name) => [name, FIELDS[name] ?? fc.jsonValue()]),
    );
    const needed = Object.keys(own).filter(
      (name) => !EVENT_SCHEMAS[type].shape[name as "version"].safeParse(undefined).success,
    );
    const usual = fc.record(own, { requiredKeys: needed });
    const details = or(usual, fc.record({ ...own, other: fc.jsonValue() }, { requiredKeys: [] }));
    let accepted = 0;
    fc.assert(
      fc.property(details, (detail) => {
        const holds = isValid(detail);
        expect(EVENT_SCHEMAS[type].safeParse(detail).success).toBe(holds);
        if (holds) accepted++;
      }),
      { numRuns: 600 },
    );
    expect(accepted).toBeGreaterThan(20);
  },
);
