/** Every relative link in the project's Markdown leads to a file that is there, and to a heading of it. */
import { existsSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";
import { anchors, filesEndingIn, ROOT, read, withoutCode } from "./markdown.ts";

const documents = filesEndingIn([".md"]);

/** The targets of `[text](target)` that stay within the project. */
function internalLinks(path: string): readonly string[] {
  const prose = withoutCode(read(path)).replace(/`[^`\n]*`/g, "");
  const targets = [...prose.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)].map((match) => match[1] ?? "");
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** @returns undefined for a good link, otherwise what is wrong with it */
function fault(from: string, target: string): string | undefined {
  const [file = "", anchor] = target.split("#");
  const path = file === "" ? from : normalize(join(dirname(from), decodeURIComponent(file)));
  if (path.startsWith("..") || !existsSync(join(ROOT, path))) return `${from}: ${target} isn't there`;
  if (anchor === undefined) return undefined;
  if (!path.endsWith(".md") || statSync(join(ROOT, path)).isDirectory()) return `${from}: ${target} has no headings`;
  return anchors(read(path)).has(anchor) ? undefined : `${from}: ${target} is no heading of it`;
}

it("looks at all documents", () => {
  expect(documents).toEqual(expect.arrayContaining(["README.md", "docs/errors.md", "events/README.md"]));
});

it.each(documents)("%s links only to what is there", (path) => {
  expect(internalLinks(path).flatMap((target) => fault(path, target) ?? [])).toEqual([]);
});

it("names no page of docs/ in the code that isn't there", () => {
  const sources = filesEndingIn([".ts", ".mjs", ".py"]).filter((path) => !path.startsWith("test/docs"));
  const named = sources.flatMap((path) => {
    const pages = [...read(path).matchAll(/\bdocs\/[\w./-]+\.md\b/g)].map((match) => match[0]);
    return pages.filter((page) => !existsSync(join(ROOT, page))).map((page) => `${path}: ${page}`);
  });
  expect(named).toEqual([]);
});

it.each(documents)("%s names only files of the project that are there", (path) => {
  const spans = [...withoutCode(read(path)).matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? "");
  const named = spans.filter((span) => /^(packages|stacks|test|docs|events|bench)\/[\w./-]+$/.test(span));
  expect(named.filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
});
