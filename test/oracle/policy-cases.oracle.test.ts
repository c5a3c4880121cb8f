/** The hand-written policies of test/policy-cases, put to the engine: none is called contained that lets anybody do more. */
import { expect, test } from "vitest";
import { audienceOf, policyCaseFiles } from "../policy-cases/policy-cases.ts";
import { refusal } from "./src/engine.ts";
import { excessSearch } from "./src/excess.ts";

const opinions = policyCaseFiles
  .flatMap(({ cases }) => cases)
  .map(({ name, given, policy, expected }) => ({
    name,
    expected,
    opinion: opinionOf(policy, excessSearch(audienceOf(given))),
  }));

/** Who does what beyond what is meant, or why nobody does. */
function opinionOf(policy: unknown, search: ReturnType<typeof excessSearch>): string {
  const refused = refusal(policy);
  if (refused !== undefined) return `no policy: ${refused}`;
  const excess = search.firstExcess(policy);
  if (excess === undefined) return "nobody";
  return `${excess.caller.name} may ${excess.action} ${excess.circumstances.name}`;
}

test.each(opinions.filter(({ expected }) => expected === "contained"))("$name: $opinion more", ({ opinion }) => {
  expect(opinion).toMatch(/^(nobody|no policy: )/);
});

test("the engine lets somebody do more by most of the policies that are violated", () => {
  const violated = opinions.filter(({ expected }) => expected === "violated");
  const count = (pattern: RegExp) => violated.filter(({ opinion }) => pattern.test(opinion)).length;
  const [nobody, refused] = [count(/^nobody$/), count(/^no policy: /)];
  const more = violated.length - nobody - refused;
  console.log(
    `${violated.length} violated cases: ${more} let somebody do more, ${nobody} nobody, ${refused} no policies`,
  );
  expect(more).toBeGreaterThan(violated.length / 2);
});
