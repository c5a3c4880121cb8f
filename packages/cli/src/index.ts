export { EXIT, type ExitCode } from "./exit-codes.ts";
export type { CliPorts } from "./ports.ts";
export { runCli } from "./program.ts";
