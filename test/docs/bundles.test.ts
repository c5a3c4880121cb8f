/** The commands by which the documentation has an application bundled make something that Node can load as it is. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { ROOT, read } from "./markdown.ts";

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), "tenantkeys-bundles-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** @returns the esbuild command of a page, on one line */
function bundling(path: string): string {
  const [, command = ""] = /^ *npx (esbuild .*?)^ *```$/ms.exec(read(path)) ?? [];
  return command.replace(/\\\n\s*/g, "").trim();
}

const flags = (command: string) => command.slice(command.indexOf("--bundle"));

it("the sample application's bundles load as ES modules", async () => {
  const command = bundling("examples/notes-api/README.md").replace("--outdir=dist", `--outdir=${directory}`);
  const PATH = [join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter);
  await run("sh", ["-c", command], { cwd: ROOT, env: { ...process.env, PATH } });
  writeFileSync(
    join(directory, "load.mjs"),
    'for (const name of ["handler", "provisioned"]) console.log(typeof (await import(`./${name}.mjs`)).handler);',
  );
  const env = { AWS_REGION: "eu-west-1", TENANTKEYS_STAGE: "prod", NOTES_TABLE: "notes", NOTES_BUCKET: "notes" };
  expect((await run(process.execPath, [join(directory, "load.mjs")], { env })).stdout).toBe("function\nfunction\n");
}, 30_000);

it("the client's page says the same flags", () => {
  expect(flags(bundling("docs/client.md"))).toBe(flags(bundling("examples/notes-api/README.md")));
  expect(flags(bundling("docs/client.md"))).toContain("--banner:js=");
});
