import { execFileSync } from "node:child_process";
import { createDecipheriv, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildFunction, type FunctionBuildInput } from "./function-build.ts";

let projectRoot: string;

beforeEach(async () => {
  projectRoot = await mkdtemp(join(tmpdir(), "tenantkeys-build-"));
  await mkdir(join(projectRoot, "src"));
  await writeFile(
    join(projectRoot, "src/worker.ts"),
    `import { greeting } from "./greeting.ts";
     export const handler = async (name: string): Promise<string> => greeting(name) + typeof require + __dirname.length;`,
  );
  await writeFile(
    join(projectRoot, "src/greeting.ts"),
    "export function greeting(longParameterName: string): string { return 'hello ' + longParameterName + ' '; }",
  );
});

afterEach(() => rm(projectRoot, { recursive: true }));

function build(input: Partial<FunctionBuildInput> = {}, mode: "bundle" | "check" = "bundle") {
  const wanted = { functionID: "Worker", handler: "src/worker.handler", runtime: "nodejs24.x", ...input };
  return buildFunction(wanted, { projectRoot, workDir: join(projectRoot, ".work"), mode });
}

describe("buildFunction", () => {
  test("makes an ES module that loads and answers, with CommonJS's require and __dirname", async () => {
    const { handler, out, sourcemaps } = await build();
    expect(handler).toBe("bundle.handler");
    expect(sourcemaps).toEqual([join(out, "bundle.mjs.map")]);
    // In a Node.js of its own: vitest gives every module a require and a __dirname.
    const program = `import { handler } from ${JSON.stringify(pathToFileURL(join(out, "bundle.mjs")).href)};
      process.stdout.write(await handler("acme"));`;
    const answer = execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" });
    expect(answer).toMatch(/^hello acme function\d+$/);
  });

  test("minifies and leaves the source map in the code where the stack asks for both", async () => {
    const plain = await build();
    const plainSize = (await readFile(join(plain.out, "bundle.mjs"))).length;
    const { out, sourcemaps } = await build({ properties: { minify: true, sourceMap: true } });
    expect(sourcemaps).toEqual([]);
    expect((await readdir(out)).sort()).toEqual(["bundle.mjs", "bundle.mjs.map"]);
    const code = await readFile(join(out, "bundle.mjs"), "utf8");
    expect(code.length).toBeLessThan(plainSize);
    expect(code).not.toContain("longParameterName");
  });

  test("seals the links as SST's Resource opens them", async () => {
    const key = randomBytes(32);
    const { out } = await build({ encryptionKey: key.toString("base64"), links: { Registry: { name: "table" } } });
    const sealed = await readFile(join(out, "resource.enc"));
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.alloc(12)).setAuthTag(sealed.subarray(-16));
    const opened = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString();
    expect(JSON.parse(opened)).toEqual({ Registry: { name: "table" } });
  });

  test("only looks for the source where nothing has to run", async () => {
    const { out } = await build({}, "check");
    expect(await readFile(join(out, "bundle.mjs"), "utf8")).toBe("");
  });

  test.each([
    ["a handler without a source file", { handler: "src/missing.handler" }, "src/missing"],
    ["another runtime", { runtime: "python3.13" }, "python3.13"],
    ["packages to be installed", { properties: { install: { pg: "*" } } }, "nodejs.install"],
    ["plugins", { properties: { plugins: "plugins.mjs" } }, "nodejs.plugins"],
    [
      "an esbuild option that it doesn't pass on",
      { properties: { esbuild: { alias: {} } as object } },
      "esbuild.alias",
    ],
  ])("refuses %s", async (_, input, named) => {
    const refusal = { code: "function_build_failed", message: expect.stringContaining(named) };
    await expect(build(input)).rejects.toMatchObject(refusal);
    await expect(build(input, "check")).rejects.toMatchObject(refusal);
  });

  test("passes esbuild's own message on", async () => {
    await writeFile(join(projectRoot, "src/greeting.ts"), "export const greeting = (;");
    await expect(build()).rejects.toMatchObject({
      code: "function_build_failed",
      cause: expect.objectContaining({ message: expect.stringContaining("greeting.ts") }),
    });
  });
});
