/** What the lint rule can't say of packages/core: it reads no clock and draws no random number. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const CORE = join(import.meta.dirname, "../../packages/core/src");
const IMPURE = /\bDate\.now\b|new Date\(\)|\bMath\.random\b|\bglobalThis\b/;

const sources = readdirSync(CORE, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  .sort();

it("finds the domain's sources", () => {
  expect(sources.length).toBeGreaterThan(20);
});

it.each(sources)("packages/core/src/%s reads no clock and draws no random number", (file) => {
  expect(readFileSync(join(CORE, file), "utf8")).not.toMatch(IMPURE);
});

it.each(sources)("packages/core/src/%s imports nothing but the domain and zod", (file) => {
  const imports = [...readFileSync(join(CORE, file), "utf8").matchAll(/from "([^"]+)"/g)].map((match) => match[1]);
  for (const name of imports) expect(name).toMatch(/^(\.\.?\/[\w./-]+\.ts|zod\/mini)$/);
});
