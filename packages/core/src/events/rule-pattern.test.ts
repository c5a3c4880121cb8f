import { expect, test } from "vitest";
import { TenantKeysError } from "../errors.ts";
import { eventMappingsSchema } from "./event-mapping.ts";
import { EVENT_DETAIL_TYPES, rulePattern, untakenPart } from "./rule-pattern.ts";

const eventMappings = eventMappingsSchema.parse(
  [
    ["crm", "CustomerCreated"],
    ["shop", "OrderPaid"],
    ["crm", "CustomerRenamed"],
  ].map(([source, detailType]) => ({ source, detailType, as: "TenantSignedUp", fields: { tenantId: "$.detail.id" } })),
);
const eventSources = ["tenantkeys.application", "sbt.control.plane"];

test("the bus's rule lists each type that is read, once, and not what tenantkeys sends to itself", () => {
  expect(EVENT_DETAIL_TYPES).toHaveLength(11 + 8);
  expect(new Set(EVENT_DETAIL_TYPES).size).toBe(EVENT_DETAIL_TYPES.length);
  expect(EVENT_DETAIL_TYPES).toEqual(expect.arrayContaining(["TenantSignedUp", "sbt_aws_offboardingRequest"]));
});

test("without mappings the rule is one list of sources and one of types", () => {
  expect(rulePattern({ eventSources, eventMappings: [] })).toEqual({
    source: eventSources,
    "detail-type": EVENT_DETAIL_TYPES,
  });
});

test("a mapped source may send its mapped types and nothing else", () => {
  expect(rulePattern({ eventSources, eventMappings })).toEqual({
    $or: [
      { source: eventSources, "detail-type": EVENT_DETAIL_TYPES },
      { source: ["crm"], "detail-type": ["CustomerCreated", "CustomerRenamed"] },
      { source: ["shop"], "detail-type": ["OrderPaid"] },
    ],
  });
});

test("a pattern longer than EventBridge takes stops the deployment", () => {
  const room = 2_048 - JSON.stringify(rulePattern({ eventSources: [""], eventMappings: [] })).length;
  expect(JSON.stringify(rulePattern({ eventSources: ["s".repeat(room)], eventMappings: [] }))).toHaveLength(2_048);
  const tooLong = () => rulePattern({ eventSources: ["s".repeat(room + 1)], eventMappings: [] });
  expect(tooLong).toThrow(TenantKeysError);
  expect(tooLong).toThrow(/eventSources and eventMappings make an event pattern of 2049 characters/);
});

test.each([
  ["tenantkeys.application", "TenantOffboarded", undefined],
  ["crm", "CustomerCreated", undefined],
  ["crm", "TenantOffboarded", "source"],
  ["shop", "CustomerCreated", "detail-type"],
  ["tenantkeys.application", "CustomerCreated", "detail-type"],
  ["tenantkeys", "TenantKeyReviewDue", "detail-type"],
  ["tenantkeys.application", "TenantKeyRepairRequested", "detail-type"],
])("of an event from %s of type %s the rule doesn't take: %s", (source, detailType, part) => {
  expect(untakenPart({ eventSources, eventMappings }, source, detailType)).toBe(part);
});
