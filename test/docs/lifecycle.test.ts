/** The diagram and the table in docs/lifecycle.md say what packages/core/src/lifecycle.ts says, no more and no less. */
import { LIFECYCLE_EVENT_TYPES, outcomeOf, STATES_OR_UNKNOWN, TRANSITIONS } from "@tenantkeys/core";
import { expect, it } from "vitest";
import { read, sections, tableRows } from "./markdown.ts";

const page = read("docs/lifecycle.md");

/** Mermaid's ids take no hyphens. */
const id = (state: string) => state.replaceAll("-", "_");

it("draws every transition, with what leads to it", () => {
  const [, diagram = ""] = /```mermaid\n([^`]*)```/.exec(page) ?? [];
  const drawn = diagram.split("\n").filter((line) => line.includes("-->"));
  const expected = TRANSITIONS.map(({ from, to, through }) => `    ${id(from)} --> ${id(to)}: ${through}`);
  expect(drawn).toEqual(["    [*] --> provisioning: sign-up", ...expected]);
});

it("has a cell for every event and state, with its outcome", () => {
  const section = sections(page).find(({ title }) => title === "What each event comes to");
  const rows = tableRows(section?.text ?? "");
  const expected = LIFECYCLE_EVENT_TYPES.map((event) => [
    `\`${event}\``,
    ...STATES_OR_UNKNOWN.map((state) => {
      const outcome = outcomeOf(event, state);
      return outcome.includes("_") ? `[${outcome}](errors.md#${outcome})` : outcome;
    }),
  ]);
  expect(rows).toEqual(expected);
});
