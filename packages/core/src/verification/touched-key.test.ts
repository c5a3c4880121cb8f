import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TenantKeysError } from "../errors.ts";
import { parseKmsEvent } from "./touched-key.ts";

const KEY_ID = "0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11";
const KEY_ARN = `arn:aws:kms:eu-west-1:111122223333:key/${KEY_ID}`;
const OTHER_ARN = "arn:aws:kms:eu-west-1:111122223333:key/7b1d2c55-93a0-4f0e-8a77-54c1e2d90b42";
const ALIAS = "alias/tenantkeys/dev/acme/default";

const DETAIL = {
  eventID: "3c4226b0-1e81-48a8-a333-7fa5f3cbd118",
  eventSource: "kms.amazonaws.com",
  eventName: "DisableKey",
  eventTime: "2026-11-24T09:30:00Z",
  awsRegion: "eu-west-1",
  recipientAccountId: "111122223333",
  sourceIPAddress: "192.0.2.10",
  userIdentity: { type: "IAMUser", arn: "arn:aws:iam::111122223333:user/maria", accountId: "111122223333" },
  requestParameters: { keyId: KEY_ID },
  responseElements: null,
  resources: [{ ARN: KEY_ARN, accountId: "111122223333" }],
};
const ENVELOPE = {
  id: "17793124-05d4-b198-2fde-7ededc63b103",
  source: "aws.kms",
  "detail-type": "AWS API Call via CloudTrail",
  account: "111122223333",
  region: "eu-west-1",
  time: "2026-11-24T09:31:00Z",
  resources: [],
};

const parse = (detail: object, envelope: object = {}) =>
  parseKmsEvent({ ...ENVELOPE, detail: { ...DETAIL, ...detail }, ...envelope });
const keysOf = (detail: object) => parse({ resources: null, requestParameters: null, ...detail }).keyArns;

describe("the key that an event touched", () => {
  test.each([
    ["its resources", { resources: [{ ARN: KEY_ARN }] }],
    ["the answer", { responseElements: { keyId: KEY_ARN } }],
    ["the answer of CreateKey", { responseElements: { keyMetadata: { arn: KEY_ARN } } }],
    ["the request, by its id", { requestParameters: { keyId: KEY_ID } }],
    ["the request, by its ARN", { requestParameters: { keyId: KEY_ARN } }],
    ["the details of what KMS did itself", { serviceEventDetails: { keyId: KEY_ID } }],
    [
      "the message of a refused call",
      { errorCode: "AccessDenied", errorMessage: `not on resource: ${KEY_ARN} because` },
    ],
  ])("is found in %s", (_, detail) => {
    expect(keysOf(detail)).toEqual([KEY_ARN]);
  });

  test("is CloudTrail's own where the request names it by an id of another account", () => {
    expect(parse({ awsRegion: "us-east-1" }).keyArns).toEqual([KEY_ARN]);
  });

  test("is read from an alias's name, and from an alias's ARN", () => {
    const byName = parse({ resources: null, requestParameters: { keyId: ALIAS } });
    const byArn = parse({
      resources: null,
      requestParameters: { keyId: `arn:aws:kms:eu-west-1:111122223333:${ALIAS}` },
    });
    expect([byName, byArn].map(({ keyArns, aliasNames }) => ({ keyArns, aliasNames }))).toEqual([
      { keyArns: [], aliasNames: [ALIAS] },
      { keyArns: [], aliasNames: [ALIAS] },
    ]);
  });

  test("is in the partition of its Region where only its id is said", () => {
    const keyId = { requestParameters: { keyId: KEY_ID } };
    expect(keysOf({ ...keyId, awsRegion: "cn-north-1" })).toEqual([
      `arn:aws-cn:kms:cn-north-1:111122223333:key/${KEY_ID}`,
    ]);
    expect(keysOf({ ...keyId, awsRegion: "us-gov-west-1" })).toEqual([
      `arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/${KEY_ID}`,
    ]);
  });

  test("is each key once, of an operation on two", () => {
    expect(keysOf({ resources: [{ ARN: KEY_ARN }, { ARN: OTHER_ARN }, { ARN: KEY_ARN }] })).toEqual([
      KEY_ARN,
      OTHER_ARN,
    ]);
  });

  test("may be unknown of a refused call, and never of one that succeeded", () => {
    expect(keysOf({ errorCode: "AccessDenied" })).toEqual([]);
    expect(() => keysOf({})).toThrow(expect.objectContaining({ code: "aws_event_unreadable" }));
  });
});

test("copies of an event have one id, whatever the bus calls each", () => {
  const copies = ["a", "b"].map((id) => parse({}, { id }).eventId);
  expect(new Set(copies)).toEqual(new Set([DETAIL.eventID]));
});

test("the text of a policy is kept of PutKeyPolicy alone", () => {
  const requestParameters = { keyId: KEY_ID, policy: "{}" };
  expect(parse({ eventName: "PutKeyPolicy", requestParameters }).policyText).toBe("{}");
  expect(parse({ eventName: "ReplicateKey", requestParameters }).policyText).toBeUndefined();
});

test("a deletion date as CloudTrail writes it disturbs nothing", () => {
  const responseElements = { keyId: KEY_ARN, keyState: "PendingDeletion", deletionDate: "Apr 12, 2021 18:58:30 PM" };
  expect(parse({ eventName: "ScheduleKeyDeletion", responseElements }).keyArns).toEqual([KEY_ARN]);
});

describe("no event, however malformed, throws anything but aws_event_unreadable", () => {
  const onlyDeclared = (given: unknown) => {
    try {
      const event = parseKmsEvent(given);
      // What is accepted is whole: a guard may rely on each of these.
      expect(Number.isFinite(event.atMs)).toBe(true);
      expect(event.keyArns.every((arn) => arn.startsWith("arn:aws"))).toBe(true);
      expect(event.operation).toMatch(/^[A-Za-z0-9]+$/);
    } catch (error) {
      if (!(error instanceof TenantKeysError)) throw error;
      expect(error.code).toBe("aws_event_unreadable");
      expect(error.details.field).not.toBe("");
    }
  };

  test("any value", () => {
    fc.assert(fc.property(fc.oneof(fc.jsonValue(), fc.anything()), onlyDeclared), { numRuns: 1_000 });
  });

  test("a real event with any of its values replaced or taken away", () => {
    const paths = fc.constantFrom(...pathsOf({ ...ENVELOPE, detail: DETAIL }));
    const values = fc.oneof(fc.jsonValue(), fc.constant(undefined), fc.string());
    const changes = fc.array(fc.tuple(paths, values), { minLength: 1, maxLength: 4 });
    const property = fc.property(changes, (all) => {
      const event = all.reduce((before, [path, value]) => withValue(before, path, value), {
        ...ENVELOPE,
        detail: DETAIL,
      } as unknown);
      onlyDeclared(event);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  test("an event that nests as deep as its size lets it", () => {
    const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
    onlyDeclared(deep);
    onlyDeclared({ ...ENVELOPE, detail: { ...DETAIL, requestParameters: { keyId: KEY_ID, tags: deep } } });
  });
});

/** Every place in a value, as the names that lead to it. */
function pathsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, inner]) => pathsOf(inner, [...path, name]))];
}

function withValue(value: unknown, [name, ...rest]: readonly string[], replacement: unknown): unknown {
  if (name === undefined) return replacement;
  if (typeof value !== "object" || value === null) return value;
  const inner = (value as Readonly<Record<string, unknown>>)[name];
  const changed = withValue(inner, rest, replacement);
  if (Array.isArray(value)) return value.map((item, index) => (String(index) === name ? changed : item));
  return { ...value, [name]: changed };
}
