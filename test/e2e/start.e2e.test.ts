/** `npm start` as a user runs it, in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";

const START = join(import.meta.dirname, "../../packages/local/src/start/start.ts");

async function start(args: readonly string[]) {
  const { AWS_ENDPOINT_URL: _endpoint, ...env } = process.env;
  const child = spawn(process.execPath, [START, ...args], { env });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { exitCode, stdout, stderr };
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

it("explains an option that it doesn't know, and ends 64", async () => {
  const { exitCode, stderr } = await start(["--tenant", "3"]);

  expect(exitCode).toBe(64);
  expect(stderr).toContain("--tenants N");
});
