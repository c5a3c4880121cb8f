#!/usr/bin/env node
// Plain JavaScript on purpose: it has to run on whatever Node the machine has, and finds one that runs TypeScript.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Node strips types by itself from 22.18 on: https://nodejs.org/api/typescript.html
if (process.features.typescript) {
  await import("../src/main.ts");
} else {
  runWithPinnedNode();
}

function runWithPinnedNode() {
  const pinned = pinnedNode();
  if (pinned === undefined) {
    process.stderr.write(
      `error: tenantkeys needs Node 22.18 or later, and this is ${process.version}.\n` +
        "next: run npm ci in the tenantkeys repository, which installs the Node it is pinned to, or upgrade Node.\n",
    );
    process.exitCode = 1;
    return;
  }
  const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const child = spawn(pinned, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  // Ctrl-C reaches both by the terminal; a supervisor's SIGTERM reaches this process only.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("error", (error) => {
    process.stderr.write(`error: ${pinned} can't be run: ${error.message}\nnext: run npm ci again.\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    // As a shell reports a process that a signal ended.
    process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  });
}

/** The binary of the npm package `node`, which this project pins. */
function pinnedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve("node/package.json");
    const binary = join(dirname(manifest), "bin", process.platform === "win32" ? "node.exe" : "node");
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}
