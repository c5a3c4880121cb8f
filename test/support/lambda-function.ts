/** A Lambda function of a test's own on the local AWS: bundled as SST does it, with a role and its policies. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRoleCommand, type IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import {
  CreateFunctionCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
} from "@aws-sdk/client-lambda";
import { clientConfig } from "@tenantkeys/aws";
import type { PolicyDocument } from "@tenantkeys/core";
import { type Emulator, ensurePythonEnvironment, PROJECT_ROOT } from "@tenantkeys/local";
import { build } from "esbuild";
import { until } from "./events.ts";

/** Dependencies that are CommonJS ask for `require`, as in SST's own bundles. */
const BANNER =
  "import { createRequire as topLevelCreateRequire } from 'module'; const require = topLevelCreateRequire(import.meta.url);";

/** A role that Lambda may take. @returns its ARN */
export async function functionRole(iam: IAMClient, RoleName: string, policy?: PolicyDocument): Promise<string> {
  const trust = { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [trust] });
  const { Role } = await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));
  if (policy !== undefined) {
    const PolicyDocument = JSON.stringify(policy);
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: "rights", PolicyDocument }));
  }
  return Role?.Arn ?? "";
}

export interface FunctionOfTest {
  readonly arn: string;
  /** @returns what the handler gave. @throws Error with what it threw */
  invoke(event: unknown): Promise<unknown>;
}

export async function deployFunction(
  emulator: Emulator,
  wanted: {
    readonly name: string;
    /** Of a module that exports `handler`, from the project's root. */
    readonly entry: string;
    readonly roleArn: string;
    readonly environment: Readonly<Record<string, string>>;
  },
): Promise<FunctionOfTest> {
  const { endpoint, region, credentials } = emulator;
  const lambda = new LambdaClient(clientConfig({ endpoint, region, credentials }));
  const { name: FunctionName, roleArn: Role } = wanted;
  const { FunctionArn = "" } = await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Role,
      Runtime: "nodejs24.x",
      Handler: "bundle.handler",
      Timeout: 30,
      MemorySize: 512,
      Environment: { Variables: wanted.environment },
      Code: { ZipFile: await bundled(wanted.entry) },
    }),
  );
  await until(`function ${FunctionName} to be there`, async () => {
    const { State } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
    return State === "Active" && State;
  });
  return {
    arn: FunctionArn,
    async invoke(event) {
      const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(event) }));
      const text = new TextDecoder().decode(answer.Payload);
      if (answer.FunctionError !== undefined) throw new Error(`${FunctionName}: ${text}`);
      return JSON.parse(text);
    },
  };
}

async function bundled(entry: string): Promise<Uint8Array> {
  const directory = await mkdtemp(join(tmpdir(), "tenantkeys-function-"));
  try {
    await build({
      entryPoints: [join(PROJECT_ROOT, entry)],
      outfile: join(directory, "bundle.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
      target: "es2024",
      mainFields: ["module", "main"],
      banner: { js: BANNER },
      logLevel: "silent",
    });
    const { pythonPath } = await ensurePythonEnvironment({ cacheDir: join(PROJECT_ROOT, ".tenantkeys") });
    execFileSync(pythonPath, ["-m", "zipfile", "-c", "code.zip", "bundle.mjs"], { cwd: directory });
    return await readFile(join(directory, "code.zip"));
  } finally {
    await rm(directory, { recursive: true });
  }
}
