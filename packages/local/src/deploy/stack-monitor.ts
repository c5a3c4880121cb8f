import { AsyncLocalStorage } from "node:async_hooks";
import { DeployError, describeError } from "./deploy-error.ts";
import type { MockResource, PulumiModule, ReadRequest, RegisterRequest } from "./pulumi-runtime.ts";
import type { ResourceProvider, ResourceResult, StackResource } from "./resource-provider.ts";

interface MonitorOptions {
  readonly project: string;
  readonly stage: string;
  readonly provider: ResourceProvider;
  onResource(resource: StackResource): void;
  /** The first resource that fails ends the run: what depends on it would only fail after it. */
  onFailure(error: DeployError): void;
}

type EngineRequest = { readonly register: RegisterRequest } | { readonly read: ReadRequest };

/**
 * Puts the provider in the place of Pulumi's engine. Pulumi's mocks hand on a resource's type, name and inputs only;
 * its options (protect, retainOnDelete, import) are read off the request itself, which the mock is called inside of.
 */
export async function installMonitor(pulumi: PulumiModule, options: MonitorOptions): Promise<void> {
  const current = new AsyncLocalStorage<EngineRequest>();
  await pulumi.runtime.setMocks(
    {
      newResource: async (args) => {
        const request = current.getStore();
        if (request === undefined) throw new Error("Pulumi called its mocks outside of a request");
        const inputs = unwrapSecrets(pulumi, args.inputs) as Record<string, unknown>;
        return settleResource({ ...args, inputs }, request, options);
      },
      call: ({ token, inputs }) =>
        options.provider.call(token, unwrapSecrets(pulumi, inputs) as typeof inputs).catch((error: unknown) => {
          // Pulumi tells the program the `details` of a refused call, as gRPC has them, and not the message.
          throw Object.assign(new Error(describeError(error)), { details: `${token}: ${describeError(error)}` });
        }),
    },
    options.project,
    options.stage,
    false,
  );
  const monitor = pulumi.runtime.getMonitor();
  const { registerResource, readResource } = monitor;
  monitor.registerResource = (register, callback) =>
    current.run({ register }, () => registerResource.call(monitor, register, callback));
  monitor.readResource = (read, callback) => current.run({ read }, () => readResource.call(monitor, read, callback));
}

async function settleResource(
  { type, name, inputs }: MockResource,
  request: EngineRequest,
  { provider, onResource, onFailure }: MonitorOptions,
): Promise<ResourceResult> {
  // SST's own components and the stack itself exist in the program only.
  if ("register" in request && !request.register.getCustom()) return { id: "", state: inputs };
  try {
    const result =
      "read" in request
        ? await provider.read({ type, name, inputs, id: request.read.getId() })
        : await provider.create({ type, name, inputs, ...importOption(request.register) });
    const state = { ...inputs, ...definedOnly(result.state) };
    onResource(stackResource({ type, name, inputs }, request, { id: result.id, state }));
    return { id: result.id, state };
  } catch (error) {
    const code = error instanceof DeployError ? error.code : "resource_failed";
    const failure = new DeployError(code, `${name} (${type}): ${describeError(error)}`, error);
    onFailure(failure);
    throw failure;
  }
}

function stackResource(
  { type, name, inputs }: MockResource,
  request: EngineRequest,
  result: ResourceResult,
): StackResource {
  const register = "register" in request ? request.register : undefined;
  const parent = ("register" in request ? request.register : request.read).getParent().split("::").at(-1);
  const { arn } = result.state;
  return {
    type,
    name,
    id: result.id,
    inputs: plainValue(inputs) as Record<string, unknown>,
    ...(parent !== undefined && parent !== "" && { parent }),
    referenced: register === undefined,
    protect: register?.getProtect() ?? false,
    retainOnDelete: register?.getRetainondelete() ?? false,
    ignoreChanges: register?.getIgnorechangesList() ?? [],
    ...(register !== undefined && importOption(register)),
    ...(typeof arn === "string" && { arn }),
  };
}

function importOption(register: RegisterRequest): { readonly importId?: string } {
  const importId = register.getImportid();
  return importId === "" ? {} : { importId };
}

/** Inputs as JSON, for the parent process: what JSON can't hold (an archive's promise) is left out. */
function plainValue(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}

function definedOnly(state: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(state).filter(([, value]) => value !== undefined));
}

/** Values marked secret come wrapped; the local AWS gets them as they are. */
function unwrapSecrets(pulumi: PulumiModule, value: unknown): unknown {
  if (pulumi.runtime.isRpcSecret(value)) return unwrapSecrets(pulumi, pulumi.runtime.unwrapRpcSecret(value));
  if (Array.isArray(value)) return value.map((item) => unwrapSecrets(pulumi, item));
  // Only plain objects: an asset or archive is a class of Pulumi's and stays whole.
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unwrapSecrets(pulumi, item)]));
}
