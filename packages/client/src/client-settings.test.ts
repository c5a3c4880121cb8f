import { expect, it } from "vitest";
import { clientSettings } from "./client-settings.ts";

const LEAST = { stage: "prod", region: "eu-west-1" };

it("has a default for every option but stage and Region", () => {
  expect(clientSettings(LEAST)).toMatchObject({
    recordMaxAgeMs: 60_000,
    sessionSeconds: 3_600,
    tenantsMax: 1_000,
    applicationName: "tenantkeys",
    nowMs: Date.now,
  });
});

it("takes the limits of each option", () => {
  expect(clientSettings({ ...LEAST, recordMaxAgeSeconds: 0, sessionSeconds: 900, tenantsMax: 1 })).toMatchObject({
    recordMaxAgeMs: 0,
    sessionSeconds: 900,
    tenantsMax: 1,
  });
  expect(clientSettings({ ...LEAST, recordMaxAgeSeconds: 300, applicationName: "a".repeat(27) })).toMatchObject({
    recordMaxAgeMs: 300_000,
  });
});

it.each<[string, object]>([
  ["stage", { stage: "no-hyphen" }],
  ["stage", { stage: undefined }],
  ["region", { region: "Ireland" }],
  ["endpoint", { endpoint: "localhost" }],
  ["accountId", { accountId: "42" }],
  ["recordMaxAgeSeconds", { recordMaxAgeSeconds: 301 }],
  ["recordMaxAgeSeconds", { recordMaxAgeSeconds: -1 }],
  ["recordMaxAgeSeconds", { recordMaxAgeSeconds: Number.NaN }],
  ["sessionSeconds", { sessionSeconds: 3_601 }],
  ["sessionSeconds", { sessionSeconds: 899 }],
  ["tenantsMax", { tenantsMax: 0 }],
  ["applicationName", { applicationName: "" }],
  ["applicationName", { applicationName: "a".repeat(28) }],
  ["applicationName", { applicationName: "my app" }],
  ["nowMs", { nowMs: 7 }],
  ["recordMaxAge", { recordMaxAge: 5 }],
])("refuses %s, by its name: %j", (field, change) => {
  expect(() => clientSettings({ ...LEAST, ...change })).toThrow(
    expect.objectContaining({ code: "settings_invalid", details: expect.objectContaining({ field }) }),
  );
});
