/** Reads Markdown files as far as the tests of the documentation need: headings, their sections, links. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

const SKIPPED_DIRECTORIES = new Set(["node_modules", ".git", ".sst", ".tenantkeys"]);

/** The paths of all files below the project's root, of which the name ends so, without those that are installed. */
export function filesEndingIn(endings: readonly string[], directory = ""): readonly string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return SKIPPED_DIRECTORIES.has(entry.name) ? [] : filesEndingIn(endings, path);
    return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
  });
}

export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Fenced code blocks may hold lines that look like headings and links. */
export function withoutCode(markdown: string): string {
  return markdown.replace(/^(`{3,})[^`]*?^\1$/gms, "");
}

interface Section {
  readonly level: number;
  readonly title: string;
  readonly text: string;
}

/** Every heading with the text up to the next one of any level. */
export function sections(markdown: string): readonly Section[] {
  return withoutCode(markdown)
    .split(/^(?=#{1,6} )/m)
    .flatMap((part) => {
      const heading = /^(#{1,6}) (.*)/.exec(part);
      if (heading === null) return [];
      const [line, hashes = "", title = ""] = heading;
      return [{ level: hashes.length, title: title.trim(), text: part.slice(line.length) }];
    });
}

/** The anchors that GitHub gives the headings: lowercase, punctuation dropped, spaces as hyphens, repeats numbered. */
export function anchors(markdown: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  return new Set(
    sections(markdown).map(({ title }) => {
      const slug = title
        .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replace(/\s/g, "-");
      const repeats = seen.get(slug) ?? 0;
      seen.set(slug, repeats + 1);
      return repeats === 0 ? slug : `${slug}-${repeats}`;
    }),
  );
}

/** The rows of all tables, header rows left out, each cell trimmed. */
export function tableRows(markdown: string): readonly (readonly string[])[] {
  const lines = markdown.split("\n").filter((line) => line.startsWith("|"));
  const isRule = (line: string | undefined) => /^\|[\s|:-]+\|$/.test(line ?? "");
  return lines
    .filter((line, index) => !isRule(line) && !isRule(lines[index + 1]))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}
