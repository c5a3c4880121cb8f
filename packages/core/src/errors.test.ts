import { expect, test } from "vitest";
import { asTenantKeysError, ERROR_CODES, TenantKeysError } from "./errors.ts";

test("every code has a next action that is a sentence, and says whether waiting helps", () => {
  for (const code of ERROR_CODES) {
    const error = new TenantKeysError(code, "what happened");
    expect(error.nextAction).toMatch(/^[A-Z].{10,}$/);
    expect(typeof error.retryable).toBe("boolean");
    expect(error).toMatchObject({ name: "TenantKeysError", code, message: "what happened" });
  }
});

test("a publisher's mistake is never retried, and what AWS may yet do is", () => {
  const retryable = ERROR_CODES.filter((code) => new TenantKeysError(code, "x").retryable);
  expect(retryable).toEqual([
    "access_denied",
    "key_store_unavailable",
    "role_not_visible",
    "change_not_visible",
    "lease_taken",
    "lease_lost",
    "deadline_near",
    "rate_limited",
    "throttled",
    "plan_not_converging",
    "aws_unavailable",
    "aws_unexpected",
    "stage_not_deployed",
    "publish_failed",
    "key_not_active",
    "registry_unavailable",
  ]);
});

test("the next action names the tenant where it is known", () => {
  expect(new TenantKeysError("role_taken", "x", { tenantId: "acme" }).nextAction).toContain("--tenant acme");
  expect(new TenantKeysError("role_taken", "x").nextAction).toContain("--tenant <tenantId>");
});

test("within adds what an outer layer knows and keeps what was known", () => {
  const cause = new Error("socket hang up");
  const inner = new TenantKeysError("aws_unavailable", "no answer", { step: "kms:CreateKey", cause });
  const outer = inner.within({ tenantId: "acme", keyName: "default", step: "apply", cause: "another" });
  expect(outer).toMatchObject({ code: "aws_unavailable", message: "no answer" });
  expect(outer.details).toEqual({ tenantId: "acme", keyName: "default", step: "kms:CreateKey", cause });
  expect(outer.cause).toBe(cause);
});

test("within takes the outer layer's cause where there was none, and no undefined hides a known value", () => {
  const cause = new Error("why");
  const error = new TenantKeysError("throttled", "slow down", { tenantId: undefined }).within({
    tenantId: "acme",
    cause,
  });
  expect(error.details.tenantId).toBe("acme");
  expect(error.cause).toBe(cause);
  expect(error.within({ tenantId: undefined }).details.tenantId).toBe("acme");
});

test("an error without a cause has no cause property", () => {
  expect(Object.hasOwn(new TenantKeysError("throttled", "x"), "cause")).toBe(false);
});

test("any thrown value becomes a TenantKeysError that keeps it as its cause", () => {
  const ours = new TenantKeysError("lease_lost", "x");
  expect(asTenantKeysError(ours)).toBe(ours);
  const foreign = new RangeError("out of range");
  expect(asTenantKeysError(foreign)).toMatchObject({
    code: "aws_unexpected",
    message: "out of range",
    cause: foreign,
    retryable: true,
  });
  expect(asTenantKeysError("just text")).toMatchObject({ code: "aws_unexpected", message: "just text" });
  expect(asTenantKeysError(undefined)).toMatchObject({ code: "aws_unexpected", message: "undefined" });
});
