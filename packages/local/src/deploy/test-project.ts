import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ensureSstPlatform } from "./sst-platform.ts";

const REPOSITORY_DIR = join(import.meta.dirname, "../../../..");

export interface TestProject {
  readonly projectRoot: string;
  remove(): Promise<void>;
}

/** The default sst.config.ts of a test project: all of it is in stacks/main.ts. */
export const CONFIG = `export default $config({
  app: (input) => ({ name: "notes", home: "aws", removal: input.stage === "kept" ? "retain" : "remove", providers: { aws: { version: "7.20.0" } } }),
  async run() { return (await import("./stacks/main.ts")).outputs; },
});`;

/** A project of its own in a temporary directory, on the platform that this repository's own project installed. */
export async function makeTestProject(files: Readonly<Record<string, string>>): Promise<TestProject> {
  await ensureSstPlatform({ projectRoot: REPOSITORY_DIR });
  const projectRoot = await mkdtemp(join(tmpdir(), "tenantkeys-stacks-"));
  await symlink(join(REPOSITORY_DIR, ".sst"), join(projectRoot, ".sst"));
  // Compiled code is the same for every project; without it each run takes twice as long.
  const compileCache = join(".tenantkeys", "compile-cache");
  await mkdir(join(projectRoot, ".tenantkeys"));
  await mkdir(join(REPOSITORY_DIR, compileCache), { recursive: true });
  await symlink(join(REPOSITORY_DIR, compileCache), join(projectRoot, compileCache));
  for (const [path, contents] of Object.entries({ "sst.config.ts": CONFIG, ...files })) {
    await mkdir(dirname(join(projectRoot, path)), { recursive: true });
    await writeFile(join(projectRoot, path), contents);
  }
  return { projectRoot, remove: () => rm(projectRoot, { recursive: true, force: true }) };
}
