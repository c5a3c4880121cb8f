/** docs/runbook.md has a heading per alarm, and says of each what it means, what to look at and what to do. */
import {
  ALARM_IDS,
  ALARMS,
  CANARY_METRICS,
  FINDINGS_METRICS,
  PAGE_ALARM_ID,
  PROVISIONING_METRICS,
  runbookHeading,
  VERIFICATION_METRICS,
} from "@tenantkeys/core";
import { expect, it } from "vitest";
import { anchors, read, sections } from "./markdown.ts";

const page = read("docs/runbook.md");
const all = sections(page);
const headings = [...new Set<string>([PAGE_ALARM_ID, ...ALARM_IDS.map(runbookHeading)])];
const textOf = (heading: string) => all.find(({ title }) => title === `\`${heading}\``)?.text ?? "";

it("has exactly the headings of the alarms, in their order", () => {
  const written = all.filter(({ title }) => title.startsWith("`")).map(({ title }) => title);
  expect(written).toEqual(headings.map((heading) => `\`${heading}\``));
});

it("is linked to by each alarm's description with an anchor that is there", () => {
  expect(headings.filter((heading) => !anchors(page).has(heading))).toEqual([]);
});

it.each(headings)("says of %s what it means, what to look at and what to do", (heading) => {
  expect(textOf(heading)).toMatch(/^\*\*Means\.\*\* \S/m);
  expect(textOf(heading)).toMatch(/^\*\*Look at\.\*\* \S/m);
  expect(textOf(heading)).toMatch(/^\*\*Do\.\*\*(?: \S|$)/m);
});

it.each(ALARM_IDS)("names %s, and says whether it pages", (id) => {
  const text = textOf(runbookHeading(id));
  expect(/^Pages\.$/m.test(text)).toBe(ALARMS[id].pages);
  if (runbookHeading(id) !== id) expect(text).toContain(`\`${id}\``);
});

it("counts the alarms and the metrics as they are", () => {
  const metrics = [FINDINGS_METRICS, VERIFICATION_METRICS, PROVISIONING_METRICS, CANARY_METRICS].flatMap((names) =>
    Object.values(names),
  );
  expect(page).toContain(`${ALARM_IDS.length} metric alarms and one composite, ${metrics.length} metrics`);
  expect(page).toContain("one of the ten alarms");
  expect(ALARM_IDS.filter((id) => ALARMS[id].pages)).toHaveLength(10);
});
