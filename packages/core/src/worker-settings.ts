/**
 * What the worker is told of its stage's settings, in an environment variable: everything but what only the stacks
 * need, and of each profile only what differs from the defaults, so that many profiles fit. It was checked when the
 * stage was deployed, so reading it fills in and checks nothing: the checks would cost the bundle a hundredth.
 */
import { compactKeyProfile, completeKeyProfile, type KeyProfile } from "./key-profile.ts";
import type { StageSettings } from "./stage-settings.ts";

/** What the stacks and the verification read, and the worker doesn't. */
const NOT_FOR_WORKER = [
  "tenantDataActions",
  "eventSources",
  "archiveRetentionDays",
  "logRetentionDays",
  "sweepIntervalMinutes",
  "sweepQuotaShare",
  "verifyConcurrency",
  "repairKeysMax",
  "repairSharePercent",
  "watchKeyUse",
  "canaryIntervalMinutes",
  "securityHub",
  "accessAnalyzer",
  "branchKeys",
  "alarmEmails",
] as const satisfies readonly (keyof StageSettings)[];

/** Told where they are on only: off is their default, and the environment is small. */
const OFF = { automaticRepair: false, cancelUnintendedDeletions: false } as const;

export type SettingsOfWorker = Omit<StageSettings, (typeof NOT_FOR_WORKER)[number]>;
export type WorkerSettings = Omit<SettingsOfWorker, "profiles" | keyof typeof OFF> &
  Partial<Pick<SettingsOfWorker, keyof typeof OFF>> & {
    readonly profiles: Readonly<Record<string, Partial<KeyProfile>>>;
  };

/** It passes parseStageSettings again. */
export function workerSettings(settings: StageSettings): WorkerSettings {
  const told = Object.entries(settings)
    .filter(([name]) => !(NOT_FOR_WORKER as readonly string[]).includes(name))
    .filter(([name, value]) => !(name in OFF) || value !== false);
  const rest = Object.fromEntries(told) as SettingsOfWorker;
  return { ...rest, profiles: eachProfile(rest.profiles, compactKeyProfile) };
}

/** What the worker was told, with every profile in full again. */
export function readWorkerSettings(told: WorkerSettings): SettingsOfWorker {
  return { ...OFF, ...told, profiles: eachProfile(told.profiles, completeKeyProfile) };
}

function eachProfile<From, To>(
  profiles: Readonly<Record<string, From>>,
  change: (profile: From) => To,
): Readonly<Record<string, To>> {
  return Object.fromEntries(Object.entries(profiles).map(([name, profile]) => [name, change(profile)]));
}
