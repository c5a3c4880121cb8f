/** docs/errors.md has a heading per error code, no other heading, and says of each what an operator needs. */
import { ERROR_CODES, TenantKeysError } from "@tenantkeys/core";
import { expect, it } from "vitest";
import type { DeployErrorCode } from "../../packages/local/src/deploy/deploy-error.ts";
import type { LocalAwsErrorCode } from "../../packages/local/src/emulator/errors.ts";
import { read, sections } from "./markdown.ts";

/** The types are all there is of these codes; the compiler refuses this list where one is missing or unknown. */
const LOCAL_CODES: Readonly<Record<LocalAwsErrorCode | DeployErrorCode, true>> = {
  python_missing: true,
  python_install_failed: true,
  emulator_start_failed: true,
  port_in_use: true,
  endpoint_unreachable: true,
  endpoint_without_auth: true,
  endpoint_is_aws: true,
  sst_install_failed: true,
  stacks_invalid: true,
  stacks_failed: true,
  stacks_stuck: true,
  resource_failed: true,
  resource_unsupported: true,
  input_unsupported: true,
  function_build_failed: true,
};

const all = sections(read("docs/errors.md"));
const localStart = all.findIndex(({ title }) => title === "The local AWS");
const codesOf = (some: typeof all) => some.filter(({ level }) => level === 2).map(({ title }) => title);
const inCode = (codes: readonly string[]) => codes.map((code) => `\`${code}\``);

it("has exactly the codes of the service and the command line, in the order of the code", () => {
  expect(codesOf(all.slice(0, localStart))).toEqual(inCode(ERROR_CODES));
});

it("has exactly the codes of the local AWS in its second part", () => {
  expect(codesOf(all.slice(localStart))).toEqual(inCode(Object.keys(LOCAL_CODES)));
});

it.each(ERROR_CODES)("says of %s its cause, what happens to the event and what to do", (code) => {
  const text = all.find(({ title }) => title === `\`${code}\``)?.text ?? "";
  const { retryable } = new TenantKeysError(code, "");
  expect(text).toMatch(/^\*\*Cause\.\*\* \S/m);
  expect(text).toMatch(retryable ? /^\*\*The event\.\*\* Tried again/m : /^\*\*The event\.\*\* (Refused|None)/m);
  expect(text).toMatch(/^\*\*What to do\.\*\* \S/m);
});

it.each(Object.keys(LOCAL_CODES))("says of %s its cause and what to do", (code) => {
  const text = all.find(({ title }) => title === `\`${code}\``)?.text ?? "";
  expect(text).toMatch(/^\*\*Cause\.\*\* \S/m);
  expect(text).toMatch(/^\*\*What to do\.\*\* \S/m);
});
