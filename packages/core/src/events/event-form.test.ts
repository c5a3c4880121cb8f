import fc from "fast-check";
import { expect, test } from "vitest";
import { eventForm, glanceAtEvent } from "./event-form.ts";
import { eventMappingsSchema } from "./event-mapping.ts";
import { TENANT_EVENT_TYPES } from "./tenant-event.ts";

const MAPPINGS = eventMappingsSchema.parse([
  { detailType: "CustomerLeft", source: "crm", as: "TenantOffboarded", fields: { tenantId: "$.detail.id" } },
]);
const glance = (event: unknown) => glanceAtEvent(JSON.stringify(event), MAPPINGS);

test.each([
  ["any", "TenantSuspended", { kind: "own", type: "TenantSuspended" }],
  ["any", "sbt_aws_deactivateRequest", { kind: "sbt", type: "TenantSuspended" }],
  ["crm", "CustomerLeft", { kind: "mapped", type: "TenantOffboarded", mapping: MAPPINGS[0] }],
  ["shop", "CustomerLeft", undefined],
  ["crm", "CustomerCame", undefined],
])("an event from %s of type %s is of the form %j", (source, detailType, form) => {
  expect(eventForm(MAPPINGS, source, detailType)).toEqual(form);
});

test("a refused event still tells what it was to be and who waits for a reply", () => {
  const detail = { tenantId: "NOT VALID", tenantRegistrationId: "registration-1" };
  expect(glance({ source: "sbt.control.plane", "detail-type": "offboardingRequest", detail })).toEqual({
    type: "TenantOffboarded",
    replyTo: "sbt",
    tenantRegistrationId: "registration-1",
  });
  expect(glance({ source: "crm", "detail-type": "CustomerLeft", detail: {} })).toMatchObject({
    type: "TenantOffboarded",
    replyTo: "tenantkeys",
  });
});

test.each([undefined, null, "text", { tenantRegistrationId: 7 }, { tenantRegistrationId: "" }, [1]])(
  "a registration that can't be told is left out: %j",
  (detail) => {
    expect(glance({ "detail-type": "onboardingRequest", detail })).toEqual({ type: "TenantSignedUp", replyTo: "sbt" });
  },
);

test("only a request of SBT-AWS has its control plane wait for a reply", () => {
  const detail = { tenantRegistrationId: "registration-1" };
  expect(glance({ "detail-type": "TenantSignedUp", detail })).toEqual({
    type: "TenantSignedUp",
    replyTo: "tenantkeys",
  });
});

test("any text whatever is glanced at without failing", () => {
  const event = fc.record({ source: fc.jsonValue(), "detail-type": fc.string(), detail: fc.jsonValue() });
  const bodies = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    event.map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(bodies, (body) => {
      const { type } = glanceAtEvent(body, MAPPINGS);
      expect([undefined, ...TENANT_EVENT_TYPES]).toContain(type);
    }),
  );
});
