/** The schemas and samples of this folder, against the code that reads and writes these events. */
import { readdirSync, readFileSync } from "node:fs";
import {
  parseSignUp,
  replyJsonSchema,
  type TenantKeysError,
  tenantSignedUpJsonSchema,
  tenantSignedUpSchema,
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

const PROFILES = ["default"];
/** What the bus adds to what a publisher passes. */
const BUS_ADDS = {
  version: "0",
  id: "17793124-05d4-b198-2fde-7ededc63b103",
  account: "111122223333",
  region: "eu-west-1",
  resources: [],
};

const readJson = (path: string): unknown => JSON.parse(readFileSync(`${import.meta.dirname}/${path}`, "utf8"));

function readFolder<Content>(folder: string): readonly (Content & { readonly file: string })[] {
  return readdirSync(`${import.meta.dirname}/${folder}`)
    .sort()
    .map((file) => ({ file, ...(readJson(`${folder}/${file}`) as Content) }));
}

const parse = ({ source, "detail-type": type, time, detail }: Sample) =>
  parseSignUp(JSON.stringify({ ...BUS_ADDS, source, "detail-type": type, time, detail }), PROFILES);

const validator = (schema: unknown) => new Ajv2020({ strict: true }).compile(schema as object);

const SIGNED_UP = readFolder<Sample>("TenantSignedUp/accepted");
const SBT = readFolder<Sample>("sbt-onboarding-request/accepted");
const REFUSED = readFolder<RefusedSample>("TenantSignedUp/refused");
const isSignedUp = validator(readJson("TenantSignedUp/v1.schema.json"));

test.each([
  ["TenantSignedUp", tenantSignedUpJsonSchema()],
  ["TenantKeyProvisioned", replyJsonSchema("TenantKeyProvisioned")],
  ["TenantKeyProvisioningFailed", replyJsonSchema("TenantKeyProvisioningFailed")],
])("events/%s/v1.schema.json is what the code says", (type, schema) => {
  expect(readJson(`${type}/v1.schema.json`)).toEqual(schema);
  expect(schema.$id).toBe(`urn:tenantkeys:events:${type}:v1`);
});

test("there are 25 samples: 18 accepted and 7 refused, each about another tenant", () => {
  expect([SIGNED_UP.length + SBT.length, REFUSED.length]).toEqual([18, 7]);
  const details = [...SIGNED_UP, ...SBT, ...REFUSED.map(({ event }) => event)].map(({ detail }) => detail);
  const tenantIds = details
    .map((detail) => (detail as { tenantId?: unknown }).tenantId)
    .filter((id) => id !== undefined);
  expect(tenantIds).toHaveLength(23);
  expect(new Set(tenantIds).size).toBe(tenantIds.length);
});

test("the accepted samples reach every limit of the schema", () => {
  const signUps = SIGNED_UP.map(parse);
  expect(signUps.map(({ tenantId }) => tenantId.length)).toEqual(expect.arrayContaining([1, 36]));
  expect(Math.max(...signUps.flatMap(({ keyNames }) => keyNames.map((name) => name.length)))).toBe(32);
  expect(Math.max(...signUps.map(({ keyNames }) => keyNames.length))).toBe(10);
  expect(signUps.map(({ generation }) => generation)).toEqual(expect.arrayContaining([1, 7]));
});

describe("an accepted TenantSignedUp", () => {
  test.each(SIGNED_UP)("$file holds to the schema and is parsed as it says", (sample) => {
    expect(isSignedUp(sample.detail), JSON.stringify(isSignedUp.errors)).toBe(true);
    const { generation, keyNames, ...rest } = sample.detail as Record<string, unknown>;
    expect(parse(sample)).toMatchObject({
      tenantId: rest.tenantId,
      keyNames: keyNames ?? ["default"],
      generation: generation ?? Date.parse(sample.time),
      profile: "default",
    });
    expect(sample).toMatchObject({ source: "tenantkeys.application", "detail-type": "TenantSignedUp" });
  });
});

describe("an accepted onboarding request of SBT-AWS", () => {
  test.each(SBT)("$file is parsed, and its registration is kept for the reply", (sample) => {
    const { tenantId, tenantRegistrationId } = sample.detail as Record<string, unknown>;
    expect(parse(sample)).toMatchObject({ tenantId, tenantRegistrationId, keyNames: ["default"] });
    expect(sample).toMatchObject({ source: "sbt.control.plane", "detail-type": "sbt_aws_onboardingRequest" });
  });
});

describe("a refused TenantSignedUp", () => {
  const readable = REFUSED.filter(({ event }) => typeof event.detail !== "string");
  const unreadable = REFUSED.filter(({ event }) => typeof event.detail === "string");

  test.each(readable)("$file is refused with $expected.code in $expected.field, and by the schema", (sample) => {
    expect(refusalOf(sample.event)).toMatchObject({
      code: sample.expected.code,
      retryable: false,
      details: { field: sample.expected.field },
    });
    expect(isSignedUp(sample.event.detail)).toBe(false);
  });

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

function refusalOf(event: Sample): TenantKeysError {
  try {
    parse(event);
  } catch (error) {
    return error as TenantKeysError;
  }
  throw new Error("the sample was accepted");
}

describe("a reply", () => {
  test.each(["TenantKeyProvisioned", "TenantKeyProvisioningFailed"])(
    "%s has samples that hold to its schema",
    (type) => {
      const holds = validator(readJson(`${type}/v1.schema.json`));
      const samples = readFolder<Sample>(`${type}/samples`);
      expect(samples.length).toBeGreaterThan(0);
      for (const sample of samples) {
        expect(holds(sample.detail), JSON.stringify(holds.errors)).toBe(true);
        expect(sample).toMatchObject({ source: "tenantkeys", "detail-type": type });
        expect(holds({ ...(sample.detail as object), version: "2" })).toBe(false);
      }
    },
  );
});

test("the JSON Schema of TenantSignedUp and the parser's own schema say the same of every detail", () => {
  const names = fc.stringMatching(/^[a-z0-9-]{1,33}$/);
  const or = <Value>(usual: fc.Arbitrary<Value>, other: fc.Arbitrary<unknown> = fc.jsonValue()) =>
    fc.oneof<fc.MaybeWeightedArbitrary<unknown>[]>({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: other });
  const fields = {
    version: or(fc.constant("1")),
    tenantId: or(fc.stringMatching(/^[a-z0-9-]{1,37}$/)),
    keyNames: or(fc.uniqueArray(names, { maxLength: 11 }), fc.oneof(fc.constant(["a", "a"]), fc.jsonValue())),
    generation: or(fc.maxSafeNat(), fc.oneof(fc.double(), fc.jsonValue())),
    profile: or(names),
  };
  const usual = fc.record(fields, { requiredKeys: ["version", "tenantId"] });
  const details = or(usual, fc.record({ ...fields, other: fc.jsonValue() }, { requiredKeys: [] }));
  let accepted = 0;
  fc.assert(
    fc.property(details, (detail) => {
      const holds = isSignedUp(detail);
      expect(tenantSignedUpSchema.safeParse(detail).success).toBe(holds);
      if (holds) accepted++;
    }),
    { numRuns: 2000 },
  );
  expect(accepted).toBeGreaterThan(60);
});
