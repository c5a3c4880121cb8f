import type { StackResource } from "./resource-provider.ts";
import { runInChild } from "./stack-child.ts";

export interface RecordOptions {
  /** The directory of sst.config.ts; `ensureSstPlatform` has to have run for it. */
  readonly projectRoot: string;
  readonly stage: string;
  /** What the stacks read from the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: 111122223333, AWS's example account. */
  readonly accountId?: string;
  /** Default: eu-west-1. */
  readonly region?: string;
  /** ARNs of roles, tables and managed policies that the program shall find in the account. Default: none. */
  readonly existingArns?: readonly string[];
}

/**
 * Which resources the stacks declare, with which inputs and options, in the order in which they became ready. Makes
 * nothing and needs no endpoint: names and ARNs are plausible, the same in every run.
 * @throws DeployError as `deployStacks` does.
 */
export async function recordStacks(options: RecordOptions): Promise<readonly StackResource[]> {
  const { projectRoot, stage, env = {}, accountId = "111122223333", region = "eu-west-1", existingArns = [] } = options;
  const run = await runInChild(
    { mode: "record", projectRoot, stage, identity: { accountId, region }, existingArns },
    env,
  );
  return run.resources;
}
