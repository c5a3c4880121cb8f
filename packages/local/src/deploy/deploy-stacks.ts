import type { Credentials } from "./resource-context.ts";
import { runInChild } from "./stack-child.ts";

export interface DeployOptions {
  /** The directory of sst.config.ts; `ensureSstPlatform` has to have run for it. */
  readonly projectRoot: string;
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  readonly credentials: Credentials;
  readonly stage: string;
  /** What the stacks read from the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called for each resource that is there: how many so far, its Pulumi type and logical name. */
  readonly onResource?: (done: number, type: string, name: string) => void;
}

interface DeployedResource {
  readonly type: string;
  /** Pulumi's logical name; the physical one is in `id` or at the end of `arn`. */
  readonly name: string;
  readonly id: string;
  readonly arn?: string;
}

export interface Deployment {
  readonly resources: readonly DeployedResource[];
  /** What `run()` of sst.config.ts returned. */
  readonly outputs: Readonly<Record<string, unknown>>;
}

/**
 * Runs the project's real SST stacks and creates what they declare on the endpoint, with neither Docker, nor the Pulumi
 * CLI, nor an AWS account. A second run on the same endpoint updates what the first one made.
 * @throws DeployError naming the resource and the cause; what was made before it stays.
 */
export async function deployStacks(options: DeployOptions): Promise<Deployment> {
  const { projectRoot, stage, endpoint, region, accountId, credentials, env = {}, onResource } = options;
  let done = 0;
  const run = await runInChild(
    { mode: "deploy", projectRoot, stage, target: { endpoint, region, accountId, credentials } },
    env,
    (type, name) => {
      done += 1;
      onResource?.(done, type, name);
    },
  );
  const resources = run.resources
    .filter(({ referenced }) => !referenced)
    .map(({ type, name, id, arn }) => ({ type, name, id, ...(arn !== undefined && { arn }) }));
  return { resources, outputs: run.outputs };
}
