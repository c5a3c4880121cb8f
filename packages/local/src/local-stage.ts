/** A whole stage on the local AWS: the emulator, the application's role and the stacks, as `npm start` and the tests use it. */
import { join } from "node:path";
import { IAMClient } from "@aws-sdk/client-iam";
import { type Clients, type Credentials, clientConfig, createClients, destroyClients } from "@tenantkeys/aws";
import {
  type AccountId,
  parseAccountId,
  parseRegion,
  parseStageSettings,
  type Region,
  type StageContext,
  type StageSettings,
  type StageSettingsInput,
  stageContext,
} from "@tenantkeys/core";
import { attachApplicationPolicy, ensureApplicationRole } from "./application-role.ts";
import { deployStacks } from "./deploy/deploy-stacks.ts";
import { ensureSstPlatform } from "./deploy/sst-platform.ts";
import { type Emulator, openEmulator } from "./emulator/index.ts";
import { assumeRole, type Endpoint } from "./tenant-sessions.ts";

export const PROJECT_ROOT = join(import.meta.dirname, "../../..");
export const LOCAL_STAGE = "local";

export interface LocalStageOptions {
  readonly stage?: string;
  /** What differs from the local defaults below. */
  readonly settings?: Partial<Omit<StageSettingsInput, "stage">>;
  readonly onProgress?: (text: string) => void;
  /** Default: one of our own, or the one that AWS_ENDPOINT_URL names. */
  readonly emulator?: Emulator;
}

export interface LocalStage {
  readonly emulator: Emulator;
  readonly at: Endpoint;
  readonly accountId: AccountId;
  readonly region: Region;
  readonly settings: StageSettings;
  readonly context: StageContext;
  /** The account's root: for preparing and reading back, never for trying isolation. */
  readonly root: Clients;
  readonly iam: IAMClient;
  readonly applicationRoleArn: string;
  /** A session of the application's role. */
  application(): Promise<Credentials>;
  /** Stops the emulator, if it is ours, and closes the clients. */
  stop(): Promise<void>;
}

/**
 * Settings that a local stage has in place of the defaults: nobody else shares the account's quotas, one machine carries
 * few functions at once, and nobody wants to wait minutes to see a message tried again.
 */
const LOCAL_SETTINGS = {
  createKeyRatePerSecond: 1000,
  maximumConcurrency: 4,
  retryDelaySeconds: 1,
  receivesMax: 5,
  sweepQuotaShare: 0.5,
  verifyConcurrency: 2,
  // Two tenants more than whoever looks at the stage has signed up.
  canary: false,
} as const satisfies Partial<StageSettingsInput>;

export async function startLocalStage(options: LocalStageOptions = {}): Promise<LocalStage> {
  const stage = options.stage ?? LOCAL_STAGE;
  const progress = options.onProgress ?? (() => {});
  const [emulator] = await Promise.all([
    options.emulator ?? openEmulator({ onProgress: progress }),
    ensureSstPlatform({ projectRoot: PROJECT_ROOT, onProgress: progress }),
  ]);
  try {
    return await deployStage(emulator, stage, options, progress);
  } catch (error) {
    if (options.emulator === undefined) await emulator.stop();
    throw error;
  }
}

async function deployStage(
  emulator: Emulator,
  stage: string,
  options: LocalStageOptions,
  progress: (text: string) => void,
): Promise<LocalStage> {
  const { endpoint, region, credentials } = emulator;
  const at = { endpoint, region };
  const root = createClients({ ...at, credentials });
  const iam = new IAMClient(clientConfig({ ...at, credentials }));
  const applicationRoleArn = await ensureApplicationRole(iam, emulator.accountId);
  const input = { applicationRoleArns: [applicationRoleArn], ...LOCAL_SETTINGS, ...options.settings };
  const settings = parseStageSettings({ ...input, stage });
  await deployStacks({
    projectRoot: PROJECT_ROOT,
    ...at,
    accountId: emulator.accountId,
    credentials,
    stage,
    env: { TENANTKEYS_STAGE_SETTINGS: JSON.stringify(input) },
    onResource: (done, _type, name) => progress(`deploying: ${done} resources, ${name}`),
  });
  const accountId = parseAccountId(emulator.accountId);
  await attachApplicationPolicy(iam, accountId, settings.stage);
  return {
    emulator,
    at,
    accountId,
    region: parseRegion(region),
    settings,
    context: stageContext(settings, accountId, parseRegion(region)),
    root,
    iam,
    applicationRoleArn,
    application: () => assumeRole(at, credentials, applicationRoleArn),
    async stop() {
      destroyClients(root);
      iam.destroy();
      if (options.emulator === undefined) await emulator.stop();
    },
  };
}
