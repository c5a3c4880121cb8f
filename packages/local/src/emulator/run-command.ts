import { spawn } from "node:child_process";

/** How a command ended; `output` is the end of what it wrote to stdout and stderr together. */
export interface CommandResult {
  readonly ok: boolean;
  readonly output: string;
}

/** Enough for pip's last error, little enough for a message. */
const OUTPUT_CHARACTERS_MAX = 4_000;

/** Runs a command to its end, or to its time limit. Never throws: a command that isn't there is a result as well. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly onLine?: (line: string) => void },
): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = "";
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], timeout: options.timeoutMs });
    const collect = (chunk: Buffer) => {
      const text = chunk.toString();
      output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
      for (const line of text.split("\n")) if (line.trim() !== "") options.onLine?.(line.trim());
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", (error) => resolve({ ok: false, output: error.message }));
    child.on("close", (code, signal) => {
      const ending = signal === null ? "" : `\nended by ${signal} after at most ${options.timeoutMs} ms`;
      resolve({ ok: code === 0, output: output.trim() + ending });
    });
  });
}
