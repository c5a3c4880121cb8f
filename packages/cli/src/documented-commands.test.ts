/** Each command that a page or an error names exists, with the options that are written there. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCommand } from "./test-support.ts";

const ROOT = join(import.meta.dirname, "../../..");
const PAGES = ["README.md", ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`)];
const FILES = [...PAGES.filter((path) => path.endsWith(".md")), "packages/core/src/errors.ts"];

interface Written {
  readonly command: string;
  readonly options: readonly string[];
}

/** In code blocks and code spans of a page; in texts of an error up to the end of what may belong to the command. */
function commandsIn(text: string): readonly Written[] {
  const calls = text.matchAll(/(?:^|[`\s(])(?:npx )?tenantkeys ([a-z][a-z-]*)([^`|#\n]*)/gm);
  return [...calls].map(([, command = "", rest = ""]) => {
    return { command, options: [...rest.matchAll(/(?<=[\s[(])--[a-z][a-z-]*/g)].map(([option]) => option) };
  });
}

/** What is code in a page; prose speaks of "tenantkeys gives" as well. */
function codeOf(markdown: string): string {
  const blocks = [...markdown.matchAll(/^```[a-z]*\n([\s\S]*?)^```/gm)].map(([, code = ""]) => code);
  const spans = [...markdown.replace(/^```[\s\S]*?^```/gm, "").matchAll(/`([^`\n]+)`/g)].map(([span]) => span);
  return [...blocks, ...spans].join("\n");
}

const helpOf = new Map<string, Promise<string>>();

async function help(...args: string[]): Promise<string> {
  const key = args.join(" ");
  const known = helpOf.get(key) ?? runCommand([...args, "--help"]).then(({ out }) => out);
  helpOf.set(key, known);
  return known;
}

/** @returns undefined where it exists as it is written */
async function fault(file: string, { command, options }: Written): Promise<string | undefined> {
  if (!new RegExp(`^ {2}${command}[ |]`, "m").test(await help())) return `${file}: no command ${command}`;
  const text = await help(command);
  const unknown = options.filter((option) => !new RegExp(`${option}(?![a-z-])`).test(text));
  return unknown.length === 0 ? undefined : `${file}: ${command} has no ${unknown.join(", ")}`;
}

test.each(FILES)("%s names commands and options that there are", async (file) => {
  const text = readFileSync(join(ROOT, file), "utf8");
  const written = file.endsWith(".md")
    ? commandsIn(codeOf(text))
    : [...text.matchAll(/(?<=: |with |\()tenantkeys [a-z-]+[^".)]*/g)].flatMap(([call]) => commandsIn(call));
  const faults = await Promise.all(written.map((one) => fault(file, one)));
  expect(faults.filter((one) => one !== undefined)).toEqual([]);
});

test("the pages name commands at all", () => {
  const text = readFileSync(join(ROOT, "docs/cli.md"), "utf8");
  expect(commandsIn(codeOf(text)).length).toBeGreaterThan(40);
});
