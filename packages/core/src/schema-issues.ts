/** What zod/mini found, in words: without a locale it says "Invalid input" of everything, which helps nobody. */
import type * as z from "zod/mini";

const ISSUES_MAX = 5;
const SHOWN_CHARACTERS_MAX = 80;

/** The message of one issue, for `safeParse(value, { error: issueMessage })`. A schema's own message goes before it. */
export function issueMessage(issue: z.core.$ZodRawIssue): string {
  if (issue.input === undefined) return "is missing";
  switch (issue.code) {
    case "invalid_type":
      return `expected ${issue.expected === "int" ? "a whole number" : issue.expected}, got ${typeName(issue.input)}`;
    case "invalid_value":
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "too_small":
      return `expected ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${unit(issue.origin)}`;
    case "too_big":
      return `expected ${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${unit(issue.origin)}`;
    case "unrecognized_keys":
      return `unknown field ${issue.keys.join(", ").slice(0, SHOWN_CHARACTERS_MAX)}`;
    case "invalid_format":
      return `expected ${issue.format}`;
    default:
      return "is not valid";
  }
}

/** "field: what is wrong" for each issue, at most five of them. */
export function describeIssues(issues: readonly { path: PropertyKey[]; message: string }[]): string {
  return issues
    .slice(0, ISSUES_MAX)
    .map((issue) => `${issue.path.map(String).join(".") || "(whole)"}: ${issue.message}`)
    .join("; ");
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function unit(origin: string): string {
  if (origin === "string") return " characters";
  return origin === "array" ? " items" : "";
}
