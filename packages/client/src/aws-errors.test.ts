import { TenantKeysError } from "@tenantkeys/core";
import { describe, expect, it } from "vitest";
import { narrowAwsError } from "./aws-errors.ts";
import { awsError } from "./test-support.ts";

describe("an error of AWS's", () => {
  it.each([
    ["AccessDeniedException", "access_denied"],
    ["UnrecognizedClientException", "access_denied"],
    ["DisabledException", "key_disabled"],
    ["KMS.DisabledException", "key_disabled"],
    ["NotFoundException", "key_missing"],
    ["KeyUnavailableException", "key_store_unavailable"],
    ["CustomKeyStoreInvalidStateException", "key_store_unavailable"],
    ["ThrottlingException", "throttled"],
    ["SlowDown", "throttled"],
    ["ExpiredTokenException", "aws_unavailable"],
    ["KMSInternalException", "aws_unavailable"],
    ["SomethingNew", "aws_unexpected"],
  ])("%s is %s", (name, code) => {
    const cause = awsError(name);
    expect(narrowAwsError(cause, "kms:Decrypt")).toMatchObject({ code, cause, details: { step: "kms:Decrypt" } });
  });

  it("that is a refusal asks for no permission before the tenant was looked at: the code may be wrong", () => {
    const { nextAction } = narrowAwsError(awsError("AccessDeniedException"), "kms:Decrypt");
    expect(nextAction).toMatch(/^Look first whether the refusal is right/);
  });

  it.each([
    ["arn:… is pending deletion.", "key_pending_deletion"],
    ["arn:… is pending replica deletion.", "key_pending_deletion"],
    ["arn:… is pending import.", "key_not_active"],
    ["arn:… is unavailable.", "key_store_unavailable"],
  ])("KMSInvalidStateException, %s, is %s", (message, code) => {
    expect(narrowAwsError(awsError("KMSInvalidStateException", message), "kms:Decrypt").code).toBe(code);
  });

  it("of a kind that nobody knows is the service's, where its status says so", () => {
    const error = awsError("SomethingNew", "", { $metadata: { httpStatusCode: 503 } });
    expect(narrowAwsError(error, "kms:Decrypt").code).toBe("aws_unavailable");
  });

  it("of the network is unavailability", () => {
    expect(narrowAwsError(awsError("Error", "", { code: "ECONNRESET" }), "kms:Decrypt").code).toBe("aws_unavailable");
  });

  it("says when to try again as AWS does, within a minute, and in a second where AWS doesn't say", () => {
    const after = (headers: object) =>
      narrowAwsError(awsError("ThrottlingException", "", { $response: { headers } }), "kms:Decrypt").details
        .retryAfterMs;
    expect([after({}), after({ "retry-after": "7" }), after({ "retry-after": "9999" })]).toEqual([
      1_000, 7_000, 60_000,
    ]);
    expect(narrowAwsError(awsError("AccessDeniedException"), "kms:Decrypt").details.retryAfterMs).toBeUndefined();
  });
});

it("leaves an error of ours as it is", () => {
  const ours = new TenantKeysError("ciphertext_corrupted", "cut short");
  expect(narrowAwsError(ours, "kms:Decrypt")).toMatchObject({ code: "ciphertext_corrupted", message: "cut short" });
});
