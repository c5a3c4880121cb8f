/** Every sample of TypeScript in the documentation compiles, as strictly as the project itself, and with its imports. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { filesEndingIn, ROOT, read } from "./markdown.ts";

/** Below the project's root, so that packages are found. */
const parent = join(ROOT, ".tenantkeys");
mkdirSync(parent, { recursive: true });
const directory = mkdtempSync(join(parent, "code-samples-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** What samples speak of that isn't theirs to show: the reader's own, and what the sample before made. */
const GIVEN = `
import type { Readable, Writable } from "node:stream";
import type * as client from "@tenantkeys/client";
import type { DataKeyStore } from "@tenantkeys/client/re-encrypt";

declare global {
  var tenantKeys: client.TenantKeys;
  var acme: client.TenantKey;
  var tenantKey: client.TenantKey;
  var key: client.TenantKey;
  var tenantId: string;
  var region: string;
  var upload: Writable;
  var download: Readable;
  var createReadStream: typeof import("node:fs").createReadStream;
  var createWriteStream: typeof import("node:fs").createWriteStream;
  var pipeline: typeof import("node:stream/promises").pipeline;
  var dynamodb: import("@aws-sdk/client-dynamodb").DynamoDBClient;
  var kms: import("@aws-sdk/client-kms").KMS;
  var s3: import("@aws-sdk/client-s3").S3Client;
  var sts: import("@aws-sdk/client-sts").STSClient;
  var AssumeRoleCommand: typeof import("@aws-sdk/client-sts").AssumeRoleCommand;
  var GetObjectCommand: typeof import("@aws-sdk/client-s3").GetObjectCommand;
  var Bucket: string;
  var Key: string;
  var Body: Uint8Array;
  var CiphertextBlob: Uint8Array;
  var keyArn: string;
  var grantToken: string;
  var run: { readonly id: string; readonly startedAtMs: number };
  var startJob: (job: { tenant: string; keyArn: string; grantToken: string }) => Promise<void>;
  var readPages: DataKeyStore["pages"];
  var replaceIfUnchanged: DataKeyStore["put"];
}
`;

const TSCONFIG = {
  extends: "../../tsconfig.json",
  compilerOptions: {
    // Installed for the packages that use it, not for the root.
    paths: { "@middy/core": ["../../packages/client/node_modules/@middy/core/index.d.ts"] },
  },
  include: ["*.ts"],
};

interface Sample {
  readonly name: string;
  readonly code: string;
}

function samplesOf(path: string): readonly Sample[] {
  const blocks = [...read(path).matchAll(/^( *)```ts\n(.*?)^\1```$/gms)];
  return blocks.map(([, indent = "", code = ""], index) => ({
    name: `${path.replace(/\W/g, "-")}-${index + 1}.ts`,
    code: asModule(code.replace(new RegExp(`^${indent}`, "gm"), "")),
  }));
}

/** A sample may return and wait, so it is a function's body; or a part of a stage's settings. */
function asModule(code: string): string {
  const settings = 'import type { StageSettingsInput } from "@tenantkeys/core";\n';
  if (code.startsWith("profiles:")) return `${settings}export const part: Partial<StageSettingsInput> = {\n${code}};`;
  if (/^\w+: \{/.test(code)) {
    return `${settings}export const stages: Record<string, Omit<StageSettingsInput, "stage">> = {\n${code}};`;
  }
  const lines = code.split("\n");
  const imports = lines.filter((line) => line.startsWith("import "));
  const body = lines.filter((line) => !line.startsWith("import ")).map((line) => line.replace(/^export /, ""));
  return [...imports, "export async function sample() {", ...body, "}"].join("\n");
}

const samples = filesEndingIn([".md"]).flatMap(samplesOf);

it("finds the samples", () => {
  expect(samples.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["README-md-1.ts", "docs-client-md-4.ts", "docs-branch-keys-md-3.ts"]),
  );
});

it("each compiles", async () => {
  writeFileSync(join(directory, "given.ts"), GIVEN);
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(TSCONFIG));
  for (const { name, code } of samples) writeFileSync(join(directory, name), code);
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  const { stdout } = await promisify(execFile)(process.execPath, [compiler, "-p", directory], { cwd: directory }).catch(
    (error: { readonly stdout: string }) => error,
  );
  expect(stdout).toBe("");
}, 60_000);
