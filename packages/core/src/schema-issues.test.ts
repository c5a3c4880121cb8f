import { expect, test } from "vitest";
import * as z from "zod/mini";
import { describeIssues, issueMessage } from "./schema-issues.ts";

const schema = z.strictObject({
  text: z.optional(z.string().check(z.minLength(2), z.maxLength(3))),
  list: z.optional(z.array(z.string()).check(z.minLength(1), z.maxLength(2))),
  number: z.optional(z.number().check(z.gt(0), z.lt(10))),
  whole: z.optional(z.int()),
  choice: z.optional(z.enum(["a", "b"])),
  time: z.optional(z.iso.datetime()),
  own: z.optional(z.string().check(z.regex(/x/, "expected an x"))),
  either: z.optional(z.union([z.string(), z.number()])),
  needed: z.string(),
});

test.each([
  [{}, "needed: is missing"],
  [{ needed: 1 }, "needed: expected string, got number"],
  [{ needed: null }, "needed: expected string, got null"],
  [{ needed: [] }, "needed: expected string, got array"],
  [{ needed: "", text: "a" }, "text: expected at least 2 characters"],
  [{ needed: "", text: "abcd" }, "text: expected at most 3 characters"],
  [{ needed: "", list: [] }, "list: expected at least 1 items"],
  [{ needed: "", list: ["a", "b", "c"] }, "list: expected at most 2 items"],
  [{ needed: "", list: ["a", 1] }, "list.1: expected string, got number"],
  [{ needed: "", number: 0 }, "number: expected more than 0"],
  [{ needed: "", number: 10 }, "number: expected less than 10"],
  [{ needed: "", whole: 1.5 }, "whole: expected a whole number, got number"],
  [{ needed: "", choice: "c" }, 'choice: expected "a" or "b"'],
  [{ needed: "", time: "now" }, "time: expected datetime"],
  [{ needed: "", own: "y" }, "own: expected an x"],
  [{ needed: "", either: true }, "either: is not valid"],
  [{ needed: "", one: 1, two: 2 }, "(whole): unknown field one, two"],
  [7, "(whole): expected object, got number"],
])("%j is described as %s", (value, text) => {
  const result = schema.safeParse(value, { error: issueMessage });
  expect(result.success).toBe(false);
  expect(describeIssues(result.error?.issues ?? [])).toBe(text);
});

test("at most five issues are described", () => {
  const issues = Array.from({ length: 9 }, (_, index) => ({ path: ["list", index], message: "is wrong" }));
  expect(describeIssues(issues).split("; ")).toHaveLength(5);
});
