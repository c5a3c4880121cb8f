import type { Command } from "commander";
import { EXIT_CODES_HELP, type ExitCode } from "../exit-codes.ts";
import type { Outside, Session } from "../ports.ts";

/** Connects to the stage that the global options name, does the work, and keeps its exit code. */
export type Act = (work: (session: Session) => Promise<ExitCode>) => Promise<void>;

/** Does work that needs no stage, and keeps its exit code. */
export type ActOutside = (work: (outside: Outside) => Promise<ExitCode>) => Promise<void>;

/** What stands under every command's help. */
export function addExamples(command: Command, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`).join("\n");
  return command.addHelpText("after", `\nExamples:\n${lines}\n\n${EXIT_CODES_HELP}`);
}
