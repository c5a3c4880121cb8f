/** Runs the command in this process. bin/tenantkeys.mjs comes here once it has a Node that runs TypeScript. */
import { createInterface } from "node:readline/promises";
import { connectOperator, systemClock, validateStagePolicies } from "@tenantkeys/aws";
import { fileCursorStore } from "@tenantkeys/client/re-encrypt";
import { runCli } from "./program.ts";
import { reEncryptAsTenant } from "./re-encrypt-as-tenant.ts";
import { INPUT_BYTES_MAX, tooLarge } from "./read-events.ts";

// `tenantkeys list | head` closes the pipe when it has enough: that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > INPUT_BYTES_MAX) throw tooLarge("standard input");
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const { promise: ended, resolve: end } = Promise.withResolvers<string>();
  // Ctrl-D: nothing was typed.
  terminal.once("close", () => end(""));
  try {
    return await Promise.race([terminal.question(question), ended]);
  } finally {
    terminal.close();
  }
}

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  stderrIsTerminal: process.stderr.isTTY === true,
  stdinIsTerminal: process.stdin.isTTY === true,
  environment: process.env,
  clock: systemClock,
  readStdin,
  ask,
  connect: connectOperator,
  validatePolicies: validateStagePolicies,
  reEncryptObjects: reEncryptAsTenant,
  fileCursor: fileCursorStore,
});
