import { expect, test } from "vitest";
import { TenantKeysError } from "./errors.ts";
import {
  parseAccountId,
  parseAttemptId,
  parseKeyArn,
  parseKeyName,
  parsePolicyArn,
  parseRegion,
  parseRoleArn,
  parseStage,
  parseTenantId,
} from "./ids.ts";

const REFUSED_BY_EVERY_NAME = [
  ["empty", ""],
  ["uppercase", "Acme"],
  ["a leading hyphen", "-acme"],
  ["an underscore", "ac_me"],
  ["a dot", "ac.me"],
  ["a slash", "ac/me"],
  ["a space", "ac me"],
  ["a letter that looks like another (Cyrillic а)", "аcme"],
  ["an accent", "acmé"],
  ["a digit of another script", "acme٣"],
  ["a trailing newline", "acme\n"],
  ["a wildcard", "acme*"],
] as const;

test.each(REFUSED_BY_EVERY_NAME)("tenant ids, key names and stages refuse %s", (_, value) => {
  for (const parse of [parseTenantId, parseKeyName, parseStage]) {
    expect(() => parse(value)).toThrow(expect.objectContaining({ code: "identifier_invalid" }));
  }
});

test.each([[undefined], [null], [true], [42], [["acme"]], [{ toString: () => "acme" }]])(
  "%j is no identifier, though its text would be one: a missing tenant isn't the tenant called `undefined`",
  (value) => {
    for (const parse of [parseTenantId, parseKeyName, parseStage]) {
      expect(() => parse(value as never)).toThrow(expect.objectContaining({ code: "identifier_invalid" }));
    }
  },
);

test.each([
  ["tenant id", parseTenantId, 36],
  ["key name", parseKeyName, 32],
  ["stage", parseStage, 20],
] as const)("a %s holds 1 to %3$i characters and no more", (_, parse, lengthMax) => {
  expect(parse("a")).toBe("a");
  expect(parse("7")).toBe("7");
  expect(parse("a".repeat(lengthMax))).toHaveLength(lengthMax);
  expect(() => parse("a".repeat(lengthMax + 1))).toThrow(TenantKeysError);
});

test("a tenant id may be a UUID, may start with a digit and may end with a hyphen", () => {
  for (const id of ["0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11", "3rd-rock", "acme-", "a--b", "42"]) {
    expect(parseTenantId(id)).toBe(id);
  }
});

test("a stage holds no hyphen, and a tenant id and a key name may", () => {
  expect(() => parseStage("dev-a")).toThrow("names would be ambiguous");
  expect(parseTenantId("dev-a")).toBe("dev-a");
  expect(parseKeyName("dev-a")).toBe("dev-a");
});

test.each([
  [parseKeyArn, "arn:aws:kms:eu-west-1:111122223333:key/mrk-1a2b", "arn:aws:kms:eu-west-1:111122223333:alias/x"],
  [parseRoleArn, "arn:aws-us-gov:iam::111122223333:role/path/Name+=,.@-_", "arn:aws:iam::111122223333:role/*"],
  [parseRoleArn, "arn:aws:iam::111122223333:role/x", "arn:aws:sts::111122223333:assumed-role/x/y"],
  [parsePolicyArn, "arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::111122223333:role/x"],
  [parseAccountId, "111122223333", "11112222333"],
  [parseRegion, "ap-southeast-2", "eu-west"],
  [parseAttemptId, "0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11", "short"],
] as const)("%o takes %s and refuses %s", (parse, good, bad) => {
  expect(parse(good)).toBe(good);
  expect(() => parse(bad)).toThrow(expect.objectContaining({ code: "identifier_invalid" }));
});

test("a refusal names the field, shows at most 80 characters of the value and says what is expected", () => {
  const refuse = () => parseTenantId("X".repeat(5000));
  expect(refuse).toThrow(
    `tenantId "${"X".repeat(80)}" is not valid: expected 1 to 36 of a-z, 0-9 and -, starting with a letter or digit, lowercase`,
  );
});
