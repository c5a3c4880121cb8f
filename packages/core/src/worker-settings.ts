/**
 * What the worker is told of its stage's settings, in an environment variable: everything but what only the stacks
 * need, and of each profile only what differs from the defaults, so that many profiles fit. It was checked when the
 * stage was deployed, so reading it fills in and checks nothing: the checks would cost the bundle a hundredth.
 */
import { compactKeyProfile, completeKeyProfile, type KeyProfile } from "./key-profile.ts";
import type { StageSettings } from "./stage-settings.ts";

export type SettingsOfWorker = Omit<
  StageSettings,
  "tenantDataActions" | "eventSources" | "archiveRetentionDays" | "logRetentionDays"
>;
export type WorkerSettings = Omit<SettingsOfWorker, "profiles"> & {
  readonly profiles: Readonly<Record<string, Partial<KeyProfile>>>;
};

/** It passes parseStageSettings again. */
export function workerSettings(settings: StageSettings): WorkerSettings {
  const { tenantDataActions: _1, eventSources: _2, archiveRetentionDays: _3, logRetentionDays: _4, ...rest } = settings;
  return { ...rest, profiles: eachProfile(rest.profiles, compactKeyProfile) };
}

/** What the worker was told, with every profile in full again. */
export function readWorkerSettings(told: WorkerSettings): SettingsOfWorker {
  return { ...told, profiles: eachProfile(told.profiles, completeKeyProfile) };
}

function eachProfile<From, To>(
  profiles: Readonly<Record<string, From>>,
  change: (profile: From) => To,
): Readonly<Record<string, To>> {
  return Object.fromEntries(Object.entries(profiles).map(([name, profile]) => [name, change(profile)]));
}
