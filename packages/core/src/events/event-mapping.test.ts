import { expect, test } from "vitest";
import { describeIssues, issueMessage } from "../schema-issues.ts";
import { applyMapping, eventMappingsSchema } from "./event-mapping.ts";

const MAPPING = {
  detailType: "CustomerCreated",
  source: "crm",
  as: "TenantSignedUp",
  fields: { tenantId: "$.detail.customer.id" },
};
const path = "$.detail.x";

/** What a deployment that holds these mappings would say. */
function faults(...mappings: readonly unknown[]): string {
  const result = eventMappingsSchema.safeParse(mappings, { error: issueMessage });
  return result.success ? "" : describeIssues(result.error.issues);
}

test.each<[string, object]>([
  ["the least", MAPPING],
  [
    "every field",
    { ...MAPPING, fields: { tenantId: path, keyNames: path, generation: path, profile: path, stage: path } },
  ],
  ["constants", { ...MAPPING, constants: { profile: "strict", keyNames: ["default", "payroll"] } }],
  ["a needed field as a constant", { ...MAPPING, as: "TenantLegalHoldPlaced", constants: { reason: "asked for" } }],
  ["another type", { ...MAPPING, as: "TenantKeyAdded", fields: { tenantId: path, keyName: "$['detail']['keys'][0]" } }],
])("a mapping with %s is taken", (_, mapping) => {
  expect(faults(mapping)).toBe("");
});

test.each<[object, string]>([
  [{ fields: {} }, "0.fields.tenantId: is missing: TenantSignedUp can't be without it"],
  [{ fields: { tenantId: "detail.id" } }, "0.fields.tenantId: expected one place, such as $.detail.customer.id"],
  [{ fields: { tenantId: "$..id" } }, "0.fields.tenantId: expected one place"],
  [{ fields: { tenantId: "$.detail[?@.id]" } }, "0.fields.tenantId: expected one place"],
  [{ fields: { tenantId: 7 } }, "0.fields.tenantId: expected string, got number"],
  [{ fields: { tenantId: `$.${"a".repeat(300)}` } }, "0.fields.tenantId: expected at most 256 characters"],
  [
    { fields: { tenantId: path, name: path } },
    "0.fields.name: is no field of TenantSignedUp; it has: tenantId, generation, stage, keyNames, profile",
  ],
  [{ fields: { tenantId: path, toString: path } }, "0.fields.toString: is no field of TenantSignedUp"],
  [{ fields: { tenantId: path, version: path } }, "0.fields.version: is no field of TenantSignedUp"],
  [{ as: "TenantKeyAdded" }, "0.fields.keyName: is missing: TenantKeyAdded can't be without it"],
  [{ as: "TenantLegalHoldPlaced" }, "0.fields.reason: is missing"],
  [{ as: "TenantKeyReviewDue" }, "0.as: expected"],
  [{ as: "TenantKeyRepairRequested" }, "0.as: expected"],
  [{ as: "TenantDanced" }, "0.as: expected"],
  [{ constants: { tenantId: "acme" } }, "0.constants.tenantId: every event must say its own tenant"],
  [{ constants: { version: "2" } }, "0.constants.version: is no field of TenantSignedUp"],
  [{ constants: { profile: "Strict" } }, "0.constants.profile: expected the name of a key profile"],
  [{ constants: { keyNames: "payroll" } }, "0.constants.keyNames: expected array, got string"],
  [
    { fields: { tenantId: path, profile: path }, constants: { profile: "strict" } },
    "0.constants.profile: has a path in fields, too",
  ],
  [{ detailType: "TenantSignedUp" }, "0.detailType: tenantkeys reads events of this type without a mapping"],
  [{ detailType: "onboardingRequest" }, "0.detailType: tenantkeys reads events of this type without a mapping"],
  [{ detailType: "TenantKeyProvisioned" }, "0.detailType: tenantkeys publishes events of this type"],
  [{ detailType: "sbt_aws_provisionSuccess" }, "0.detailType: tenantkeys publishes events of this type"],
  [{ source: "tenantkeys" }, "0.source: is the source of tenantkeys's own events"],
  [{ source: "" }, "0.source: expected at least 1 characters"],
  [{ detailTypes: ["x"] }, "0: unknown field detailTypes"],
])("a mapping with %j is refused by name", (change, message) => {
  expect(faults({ ...MAPPING, ...change })).toContain(message);
});

test("one detail type of one source has one mapping, and there are at most 20", () => {
  expect(faults(MAPPING, { ...MAPPING, source: "shop" }, { ...MAPPING, detailType: "CustomerMoved" })).toBe("");
  expect(faults(MAPPING, MAPPING)).toContain("1: an earlier mapping reads this detail type from this source");
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ ...MAPPING, detailType: `T${index}` }));
  expect(faults(...many(20))).toBe("");
  expect(faults(...many(21))).toContain("expected at most 20 items");
});

test("a field named __proto__ is left out, so that it is no way around the checks", () => {
  const fields = JSON.parse('{"tenantId":"$.detail.x","__proto__":"$.detail.y"}');
  const [mapping] = eventMappingsSchema.parse([{ ...MAPPING, fields }]);
  expect(Object.getOwnPropertyNames(mapping?.fields)).toEqual(["tenantId"]);
});

test("a mapped event has the fields that the mapping names and no others", () => {
  const [mapping] = eventMappingsSchema.parse([{ ...MAPPING, constants: { profile: "strict" } }]);
  if (mapping === undefined) throw new Error("no mapping");
  const event = { detail: { customer: { id: "acme" }, version: "9", profile: "default" } };
  expect(applyMapping(mapping, event)).toEqual({ version: "1", tenantId: "acme", profile: "strict" });
});
