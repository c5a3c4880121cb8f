import { type ErrorCode, TenantKeysError } from "@tenantkeys/core";
import { expect, it } from "vitest";
import { httpStatusOf } from "./http-status.ts";

const statusOf = (code: ErrorCode, retryAfterMs?: number) =>
  httpStatusOf(new TenantKeysError(code, "", { retryAfterMs }));

it.each<[ErrorCode, number]>([
  ["tenant_missing", 400],
  ["access_denied", 403],
  ["ciphertext_of_another_tenant", 403],
  ["tenant_unknown", 404],
  ["key_not_active", 409],
  ["key_destroyed", 410],
  ["tenant_suspended", 423],
  ["key_pending_deletion", 423],
  ["throttled", 429],
  ["registry_unavailable", 503],
  ["tenant_mixed_up", 500],
  ["record_invalid", 500],
])("answers %s with %i", (code, statusCode) => {
  expect(statusOf(code).statusCode).toBe(statusCode);
});

it("says when to try again, in whole seconds, where trying again helps", () => {
  expect(statusOf("throttled", 1_200).headers).toEqual({ "Retry-After": "2" });
  expect(statusOf("registry_unavailable").headers).toEqual({ "Retry-After": "1" });
  expect(statusOf("tenant_suspended").headers).toEqual({});
});

it("answers anything that isn't ours with 500", () => {
  expect(httpStatusOf(new Error("a fault of the application"))).toEqual({ statusCode: 500, headers: {} });
});
