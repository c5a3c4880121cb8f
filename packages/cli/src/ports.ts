/** All that a command needs from outside, so that tests can give it something else. */
import type { ClientOptions, Clock, Operator, Run } from "@tenantkeys/aws";
import type { Stage } from "@tenantkeys/core";
import type { Output } from "./output.ts";
import type { Progress } from "./progress.ts";

export interface CliPorts {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly stderrIsTerminal: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readStdin(): Promise<string>;
  connect(options: ClientOptions, run: Run, stage: Stage): Promise<Operator>;
}

/** What a command works with once the stage was found. */
export interface Session {
  readonly operator: Operator;
  readonly run: Run;
  readonly output: Output;
  readonly progress: Progress;
  readStdin(): Promise<string>;
}
