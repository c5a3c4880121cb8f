import { createRequire } from "node:module";
import { join } from "node:path";

/** As much of the platform's `@pulumi/pulumi` as is used here: it is installed by SST, so it has no types of ours. */
export interface PulumiModule {
  readonly runtime: {
    setMocks(mocks: PulumiMocks, project: string, stack: string, preview: boolean): Promise<void>;
    getMonitor(): PulumiMonitor;
    runInPulumiStack(program: () => Promise<unknown>): Promise<Record<string, unknown>>;
    isRpcSecret(value: unknown): boolean;
    unwrapRpcSecret(value: unknown): unknown;
  };
  readonly [name: string]: unknown;
}

interface PulumiMocks {
  newResource(args: MockResource): Promise<{ id: string; state: Readonly<Record<string, unknown>> }>;
  call(args: { readonly token: string; readonly inputs: Record<string, unknown> }): Promise<object>;
}

export interface MockResource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

/** The requests to Pulumi's engine, with the options that its mocks don't hand on. */
export interface RegisterRequest {
  getCustom(): boolean;
  getParent(): string;
  getProtect(): boolean;
  getRetainondelete(): boolean;
  getIgnorechangesList(): string[];
  getImportid(): string;
}

export interface ReadRequest {
  getParent(): string;
  getId(): string;
}

type Callback = (error: unknown, response: unknown) => void;

interface PulumiMonitor {
  registerResource(request: RegisterRequest, callback: Callback): Promise<void>;
  readResource(request: ReadRequest, callback: Callback): Promise<void>;
}

export function requirePlatform(platformDir: string): NodeJS.Require {
  return createRequire(join(platformDir, "package.json"));
}

/** Promises of Pulumi's that nobody settled, by the label it gave them, such as `resource:Queue[aws:sqs/queue:Queue]`. */
export function unsettledLabels(require: NodeJS.Require): readonly string[] {
  const debuggable = require("@pulumi/pulumi/runtime/debuggable") as {
    leakedPromises(): readonly [ReadonlySet<{ readonly _debugCtx?: string }>, string];
  };
  const [leaked] = debuggable.leakedPromises();
  return [...new Set([...leaked].map(({ _debugCtx }) => _debugCtx ?? "a promise without a name"))];
}
