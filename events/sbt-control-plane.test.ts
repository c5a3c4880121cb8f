/**
 * From SBT-AWS's requests to what its control plane makes of our replies. The control plane below does what that of
 * awslabs/sbt-aws does with a reply (commit cea7b77 of October 2025: the rule in tenant-registration.service.ts, the
 * handlers in tenant-registrations/index.py and tenant-management/index.py), rewritten from reading them.
 */
import { readFileSync } from "node:fs";
import {
  failedReplyTypeOf,
  parseStage,
  parseTenantEvent,
  type Reply,
  type RoleArn,
  sbtDeprovisionedReply,
  sbtFailedReply,
  sbtProvisionedReply,
  sbtReplyDetailType,
  type TenantEvent,
  TenantKeysError,
} from "@tenantkeys/core";
import { describe, expect, test } from "vitest";

interface Sample {
  readonly source: string;
  readonly "detail-type": string;
  readonly detail: Readonly<Record<string, unknown>>;
}

const readSample = (path: string): Sample => JSON.parse(readFileSync(`${import.meta.dirname}/${path}.json`, "utf8"));
const ONBOARDING = readSample("sbt-onboarding-request/accepted/with-fields-of-its-own");
const OFFBOARDING = readSample("sbt-offboarding-request/accepted/as-the-toolkit-sends-it");
const ID = String(ONBOARDING.detail.tenantId);
const ROLE_ARN = `arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-${ID}` as RoleArn;

function read(sample: Sample): TenantEvent & { readonly tenantRegistrationId: string } {
  const body = JSON.stringify({ id: "17793124-05d4-b198-2fde-7ededc63b103", ...sample });
  const event = parseTenantEvent(body, { stage: parseStage("dev"), profiles: { default: {} }, eventMappings: [] });
  const { tenantRegistrationId } = event;
  if (event.replyTo !== "sbt" || tenantRegistrationId === undefined) throw new Error("no reply is waited for");
  return { ...event, tenantRegistrationId };
}

type Item = Readonly<Record<string, unknown>>;

/** Names that DynamoDB's expressions take after `#` and `:`. */
const PLACEHOLDER = /^\w+$/;
/** Names that they take as they are, but for 573 reserved words: none of those begins with `tenantkeys`. */
const PLAIN_NAME = /^tenantkeys[A-Za-z]+$/;

/** SBT-AWS's control plane with one tenant registered, as far as replies go. */
class ControlPlane {
  registration: Item;
  tenant: Item;

  constructor(request: Sample) {
    const { tenantId, tenantRegistrationId, registrationStatus, ...tenantData } = request.detail;
    this.registration = { tenantRegistrationId, tenantId, registrationStatus, sbtaws_active: true };
    this.tenant = { tenantId, tenantRegistrationId, ...tenantData, sbtaws_active: true };
  }

  /** The rule, its target's path parameter, and the input: $.detail.jobOutput. */
  receive(reply: Sample): void {
    expect(reply.source).toBe("sbt.application.plane");
    expect(["provision", "deprovision"].flatMap((job) => [`${job}Success`, `${job}Failure`].map(prefixed))).toContain(
      reply["detail-type"],
    );
    const { tenantRegistrationId, jobOutput } = reply.detail;
    if (typeof jobOutput !== "object" || jobOutput === null) throw new Error("the rule's target has no input");
    this.#patch(tenantRegistrationId, jobOutput);
  }

  /** PATCH /tenant-registrations/{id} */
  #patch(
    registrationId: unknown,
    { tenantRegistrationData = {}, tenantData = {} }: Partial<Record<string, Item>>,
  ): void {
    if (registrationId !== this.registration.tenantRegistrationId) throw new Error("404: no such registration");
    if (Object.keys(tenantRegistrationData).length > 0) {
      for (const name of Object.keys(tenantRegistrationData)) {
        // The table's own key can't be set: DynamoDB refuses the whole update.
        if (name === "tenantRegistrationId" || !PLACEHOLDER.test(name)) throw new Error("500: ValidationException");
      }
      this.registration = { ...this.registration, ...tenantRegistrationData };
    }
    if (this.registration.tenantId !== this.tenant.tenantId) throw new Error("404: no tenant of this registration");
    if (Object.keys(tenantData).length > 0) this.#putTenant(tenantData);
  }

  /** PUT /tenants/{id}: the names go into the update expression as they are. */
  #putTenant(tenantData: Item): void {
    const { tenantId: _, ...fields } = tenantData;
    const names = Object.keys(fields);
    if (names.length === 0 || !names.every((name) => PLAIN_NAME.test(name)))
      throw new Error("500: ValidationException");
    this.tenant = { ...this.tenant, ...fields };
  }
}

const prefixed = (name: string) => `sbt_aws_${name}`;

/** What travels: the detail as JSON. */
const asEvent = ({ source, detailType, detail }: Reply): Sample => ({
  source,
  "detail-type": detailType,
  detail: JSON.parse(JSON.stringify(detail)),
});

const provisioned = () =>
  sbtProvisionedReply(read(ONBOARDING).tenantRegistrationId, {
    roleArn: ROLE_ARN,
    keys: [
      {
        keyName: "default" as never,
        keyArn: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" as never,
        aliasName: `alias/tenantkeys/dev/${ID}/default` as never,
      },
    ],
  });
const failure = (sample: Sample) => {
  const event = read(sample);
  const error = new TenantKeysError("quota_exceeded", "kms:CreateKey: the quota of 100000 keys is used up");
  return sbtFailedReply(event.type, event.tenantRegistrationId, error) as Reply;
};
const deprovisioned = () => sbtDeprovisionedReply(read(OFFBOARDING).tenantRegistrationId);

describe("SBT-AWS's control plane, told", () => {
  test("that a tenant's keys are there, has them in the tenant and the status in the registration", () => {
    const controlPlane = new ControlPlane(ONBOARDING);
    controlPlane.receive(asEvent(provisioned()));
    expect(controlPlane.registration).toMatchObject({ registrationStatus: "created", tenantId: ID });
    expect(controlPlane.tenant).toMatchObject({
      tenantkeysRoleArn: ROLE_ARN,
      tenantName: ONBOARDING.detail.tenantName,
    });
    expect(JSON.parse(String(controlPlane.tenant.tenantkeysKeys))).toMatchObject([{ keyName: "default" }]);
  });

  test("that a sign-up failed, has why in the registration and the tenant as it was", () => {
    const controlPlane = new ControlPlane(ONBOARDING);
    const { tenant } = controlPlane;
    controlPlane.receive(asEvent(failure(ONBOARDING)));
    expect(controlPlane.registration).toMatchObject({
      registrationStatus: "Failed to provision tenant.",
      tenantkeysErrorCode: "quota_exceeded",
      tenantkeysNextAction: expect.stringContaining("higher quota"),
    });
    expect(controlPlane.tenant).toBe(tenant);
  });

  test("that a tenant's keys are destroyed, has it in the registration", () => {
    const controlPlane = new ControlPlane(OFFBOARDING);
    controlPlane.receive(asEvent(deprovisioned()));
    expect(controlPlane.registration).toMatchObject({ registrationStatus: "deleted" });
  });

  test("that an offboarding failed, has why in the registration", () => {
    const controlPlane = new ControlPlane(OFFBOARDING);
    controlPlane.receive(asEvent(failure(OFFBOARDING)));
    expect(controlPlane.registration).toMatchObject({ registrationStatus: "Failed to deprovision tenant." });
  });

  test("the same twice, is as it was after the first time", () => {
    const controlPlane = new ControlPlane(ONBOARDING);
    controlPlane.receive(asEvent(provisioned()));
    const { registration, tenant } = controlPlane;
    controlPlane.receive(asEvent(provisioned()));
    expect(controlPlane).toEqual({ registration, tenant });
  });
});

test.each([
  ["sbt-provision-success/samples/one-key", provisioned],
  ["sbt-provision-failure/samples/quota-used-up", () => failure(ONBOARDING)],
  ["sbt-deprovision-success/samples/keys-destroyed", deprovisioned],
  ["sbt-deprovision-failure/samples/quota-used-up", () => failure(OFFBOARDING)],
])("%s is what the code publishes", (path, reply) => {
  expect(readSample(path)).toMatchObject(asEvent(reply()));
});

test("an activation or a deactivation has no reply of the toolkit's own, only ours", () => {
  const error = new TenantKeysError("state_conflict", "why");
  for (const kind of ["activate", "deactivate"]) {
    const event = read(readSample(`sbt-${kind}-request/accepted/with-the-tenants-fields`));
    expect(sbtFailedReply(event.type, event.tenantRegistrationId, error)).toBeUndefined();
    expect(failedReplyTypeOf(event.type)).toMatch(/^Tenant(Resumption|Suspension)Failed$/);
  }
  expect(sbtFailedReply(undefined, "registration-1", error)).toBeUndefined();
});

test("the source is a parameter, as it is in the toolkit", () => {
  const reply = sbtDeprovisionedReply("registration-1", "our.application.plane");
  expect(reply).toMatchObject({
    source: "our.application.plane",
    detailType: sbtReplyDetailType("deprovisionSuccess"),
  });
});
