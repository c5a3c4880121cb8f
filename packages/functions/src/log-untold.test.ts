import { TenantKeysError } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { untoldLog } from "./log-untold.ts";

test("what Security Hub couldn't be told is an error in the log, with what to do", () => {
  const logged: unknown[] = [];
  const logger = { error: (...entry: readonly unknown[]) => void logged.push(entry) };
  const error = new TenantKeysError("access_denied", "securityhub:BatchImportFindings: not subscribed");
  untoldLog(logger)({ sent: 1, failed: 2, error });
  const { code, message: reason, nextAction } = error;
  expect(logged).toEqual([
    ["Security Hub wasn't told of every finding", { sent: 1, failed: 2, code, reason, nextAction }],
  ]);
});
