/** docs/findings.md has a heading per rule, no other heading, and says of each what the table of rules says. */
import { findingRule, RULE_IDS } from "@tenantkeys/core";
import { expect, it } from "vitest";
import { read, sections } from "./markdown.ts";

const all = sections(read("docs/findings.md"));

it("has exactly the rules, in the order of the code", () => {
  const titles = all.filter(({ level }) => level === 2).map(({ title }) => title);
  expect(titles).toEqual(RULE_IDS.map((ruleId) => `\`${ruleId}\``));
});

it.each(RULE_IDS)(
  "says of %s what it means, what is seen, how much it matters, who repairs it and what to do",
  (ruleId) => {
    const text = all.find(({ title }) => title === `\`${ruleId}\``)?.text ?? "";
    const { severity, repairer } = findingRule(ruleId);
    expect(text).toMatch(/^\*\*Means\.\*\* \S/m);
    expect(text).toMatch(/^\*\*Expected and seen\.\*\* \S/m);
    expect(text).toMatch(new RegExp(`^\\*\\*Severity\\.\\*\\* ${severity}$`, "m"));
    expect(text).toMatch(new RegExp(`^\\*\\*Repair\\.\\*\\* ${repairer}: \\S`, "m"));
    expect(text).toMatch(/^\*\*What to do\.\*\* \S/m);
  },
);
