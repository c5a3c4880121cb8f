import { expect, test } from "vitest";
import { EXIT, EXIT_CODES_HELP, worse } from "./exit-codes.ts";

test("a failure hides a refusal, and both show through success", () => {
  expect(worse(EXIT.done, EXIT.differs)).toBe(EXIT.differs);
  expect(worse(EXIT.failed, EXIT.differs)).toBe(EXIT.failed);
  expect(worse(EXIT.done, EXIT.done)).toBe(EXIT.done);
});

test("what couldn't be looked at shows through success, and hides neither findings nor a failure", () => {
  expect(worse(EXIT.done, EXIT.unknown)).toBe(EXIT.unknown);
  expect(worse(EXIT.unknown, EXIT.differs)).toBe(EXIT.differs);
  expect(worse(EXIT.failed, EXIT.unknown)).toBe(EXIT.failed);
});

test("the help names every exit code", () => {
  for (const code of Object.values(EXIT)) expect(EXIT_CODES_HELP).toMatch(new RegExp(`^ +${code} `, "m"));
});
