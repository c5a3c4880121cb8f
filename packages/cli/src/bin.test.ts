import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const BIN = join(import.meta.dirname, "../bin/tenantkeys.mjs");

function run(args: readonly string[]) {
  return new Promise<{ exitCode: number; out: string; err: string }>((resolve) => {
    // The machine's own Node where it has one first on PATH: that is how a user's shell starts the command.
    execFile(BIN, args, { cwd: tmpdir(), env: { PATH: process.env.PATH } }, (error, out, err) => {
      resolve({ exitCode: typeof error?.code === "number" ? error.code : 0, out, err });
    });
  });
}

test("the command runs from anywhere, shows its help and says when it was used wrongly", async () => {
  const help = await run(["--help"]);
  expect(help).toMatchObject({ exitCode: 0, err: "" });
  expect(help.out).toContain("Usage: tenantkeys");
  const wrong = await run(["show"]);
  expect(wrong).toMatchObject({ exitCode: 64, out: "" });
  expect(wrong.err).toContain("missing required argument 'tenantId'");
}, 30_000);
