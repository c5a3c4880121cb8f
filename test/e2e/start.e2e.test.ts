/** `npm start` as a user runs it, in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";

const PACKAGES = join(import.meta.dirname, "../../packages");
const START = join(PACKAGES, "local/src/start/start.ts");
const BIN = join(PACKAGES, "cli/bin/tenantkeys.mjs");

async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [program, ...args], { env });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { exitCode, stdout, stderr };
}

function start(args: readonly string[]) {
  const { AWS_ENDPOINT_URL: _endpoint, ...env } = process.env;
  return run(START, args, env);
}

it("signs the 25 samples up, refuses the bad ones, proves isolation, changes nothing the second time, and ends 0", async () => {
  const { exitCode, stdout, stderr } = await start([]);

  expect(exitCode, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/Sign-ups +25 sent: .* 0 lost/);
  expect(stdout).toMatch(/Isolation +\d+ attempts among \d+ tenants: only a tenant's own worked/);
  expect(stdout).toMatch(/Sent again +0 changes in KMS and IAM/);
});

it("makes as many sign-ups as it is told to", async () => {
  const { exitCode, stdout, stderr } = await start(["--tenants", "40", "--matrix", "3"]);

  expect(exitCode, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/40 sent: 40 tenants with 40 active keys, 0 refused and kept, 0 lost/);
  expect(stdout).toMatch(/In AWS +40 keys, 40 aliases, 40 roles/);
});

/** As docs/client.md begins, with what was printed in the environment. */
const APPLICATION = `
import { createTenantKeys } from "@tenantkeys/client";
const tenantKeys = createTenantKeys({ stage: process.env.TENANTKEYS_STAGE, region: process.env.AWS_REGION });
const acme = tenantKeys.for("tenant-00002");
console.log(await acme.decryptText(await acme.encrypt("a note")));
`;

it("stays with --keep, can be reached by the command line and by another npm start, and ends 0 at Ctrl-C", async () => {
  const { AWS_ENDPOINT_URL: _endpoint, ...env } = process.env;
  const child = spawn(process.execPath, [START, "--tenants", "2", "--keep"], { env });
  const printed = await new Promise<string>((resolve, reject) => {
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
      if (/as the application's role:\n\nAWS_ACCESS_KEY_ID=.*\n/.test(output)) resolve(output);
    });
    child.once("close", () => reject(new Error(`it ended before it printed what to set: ${output}`)));
  });
  const [line = "", , ofApplication = ""] = printed.match(/^AWS_\w+=.*$/gm) ?? [];
  const pairs = (text: string) => text.split(" ").map((pair) => pair.split("=", 2) as [string, string]);
  const given = Object.fromEntries(pairs(line));

  const application = { ...env, ...given, ...Object.fromEntries(pairs(ofApplication)) };
  const encrypted = await run("--input-type=module", ["-e", APPLICATION], application);
  const list = await run(BIN, ["list", "--json"], { ...env, ...given });
  const again = await run(START, ["--tenants", "3", "--matrix", "2"], { ...env, ...given });
  child.kill("SIGINT");
  const [exitCode] = await once(child, "close");

  expect(encrypted.stdout, encrypted.stderr).toBe("a note\n");
  expect(list.exitCode, list.stderr).toBe(0);
  expect(list.stdout).toContain("tenant-00002");
  expect(again.exitCode, again.stdout + again.stderr).toBe(0);
  expect(again.stdout).toContain(given.AWS_ENDPOINT_URL);
  expect(exitCode).toBe(0);
  await expect(fetch(given.AWS_ENDPOINT_URL ?? "")).rejects.toThrow();
});

it("explains an option that it doesn't know, and ends 64", async () => {
  const { exitCode, stderr } = await start(["--tenant", "3"]);

  expect(exitCode).toBe(64);
  expect(stderr).toContain("--tenants N");
});
