import type { ResourceRequest, ResourceResult } from "./resource-provider.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface ClientConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
}

/** What a resource's code needs to reach the local AWS. */
export interface ResourceContext {
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  /** One client per class, made at first use. */
  client<Client extends object>(clientClass: new (config: ClientConfig) => Client): Client;
  /** SST's code archives: the key in the asset bucket to the file's path. They never leave this machine. */
  readonly assets: Map<string, string>;
}

export interface ResourceHandler {
  /** Creates the resource, or adopts and updates the one that is there: a retained resource outlives its stack. */
  create(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult>;
  /** Looks up a resource that the program only refers to. */
  read?(id: string, context: ResourceContext): Promise<ResourceResult>;
}

export type ResourceHandlers = Readonly<Record<string, ResourceHandler>>;

export function createContext(config: ClientConfig & { readonly accountId: string }): ResourceContext {
  const clients = new Map<unknown, object>();
  const { endpoint, region, accountId, credentials } = config;
  return {
    endpoint,
    region,
    accountId,
    assets: new Map(),
    client<Client extends object>(clientClass: new (config: ClientConfig) => Client): Client {
      const known = clients.get(clientClass);
      if (known !== undefined) return known as Client;
      const client = new clientClass({ endpoint, region, credentials });
      clients.set(clientClass, client);
      return client;
    },
  };
}

/** True for an AWS error of one of these codes. */
function isAwsError(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.some((code) => error.name === code);
}

/** What to do when the resource is already there; any other error goes on. */
export async function createOrAdopt<Result>(
  create: () => Promise<Result>,
  alreadyExistsCodes: readonly string[],
  adopt: () => Promise<Result>,
): Promise<Result> {
  try {
    return await create();
  } catch (error) {
    if (!isAwsError(error, ...alreadyExistsCodes)) throw error;
    return adopt();
  }
}

const READY_DEADLINE_MS = 30_000;
const READY_INTERVAL_MS = 50;

/** Asks until the answer is `ready`; @throws Error when it isn't within 30 s. */
export async function waitUntilReady(what: string, ready: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + READY_DEADLINE_MS;
  while (!(await ready())) {
    if (performance.now() > deadline) throw new Error(`${what} wasn't ready after ${READY_DEADLINE_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, READY_INTERVAL_MS));
  }
}
