/** All that a command needs from outside, so that tests can give it something else. */
import type {
  ClientOptions,
  Clock,
  DeployedStage,
  Operator,
  Run,
  SessionCredentials,
  ValidatedPolicies,
} from "@tenantkeys/aws";
import type { CursorStore, ObjectsSettings, ObjectsToMove, ReEncryptReport } from "@tenantkeys/client/re-encrypt";
import type { Stage, TenantId } from "@tenantkeys/core";
import type { Output } from "./output.ts";
import type { Progress } from "./progress.ts";

/** A run over a tenant's objects, in sessions of the tenant's role. */
export type ReEncryptObjects = (
  credentials: () => Promise<SessionCredentials>,
  objects: Omit<ObjectsToMove, "s3">,
  settings: ObjectsSettings,
) => Promise<ReEncryptReport>;

export interface CliPorts {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly stderrIsTerminal: boolean;
  /** Whether somebody is there to be asked. */
  readonly stdinIsTerminal: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readStdin(): Promise<string>;
  /** Asks on the terminal, beside stdout, and gives the line that was typed. */
  ask(question: string): Promise<string>;
  connect(options: ClientOptions, run: Run, stage: Stage): Promise<Operator>;
  /** Of a stage that needn't be deployed yet. */
  validatePolicies(options: ClientOptions, run: Run, stage: DeployedStage): Promise<ValidatedPolicies>;
  reEncryptObjects(at: ClientOptions): ReEncryptObjects;
  fileCursor(path: string): CursorStore;
}

/** What a command works with that needs no stage. */
export interface Outside {
  readonly at: ClientOptions;
  readonly run: Run;
  readonly output: Output;
  readonly ports: CliPorts;
}

/** What a command works with once the stage was found. */
export interface Session {
  readonly operator: Operator;
  readonly run: Run;
  readonly output: Output;
  readonly progress: Progress;
  readonly reEncryptObjects: ReEncryptObjects;
  fileCursor(path: string): CursorStore;
  readStdin(): Promise<string>;
  /** Has the tenant's id typed before something is done that is hard or impossible to undo. */
  confirm(tenantId: TenantId, consequence: string): Promise<void>;
  /** The same with another text, such as the id of a key. */
  confirmTyped(expected: string, what: string, consequence: string): Promise<void>;
}
