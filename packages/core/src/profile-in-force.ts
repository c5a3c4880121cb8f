/**
 * The profile that a key is under. A sign-up may name another one, and comes over the bus, from nobody in particular: so
 * it may change how a key is used, and never make its end easier than it was for what is encrypted under it already.
 */
import type { KeyProfile } from "./key-profile.ts";
import type { KeyRecord } from "./key-record.ts";

type Profiles = Readonly<Record<string, KeyProfile>>;
type Declared = Pick<KeyRecord, "profile" | "pastProfiles">;

/** The record's profile, and of its end the strictest of all that it had; undefined where the stage lacks it. */
export function profileInForce(
  profiles: Profiles,
  { profile: name, pastProfiles = [] }: Declared,
): KeyProfile | undefined {
  const profile = profileNamed(profiles, name);
  if (profile === undefined) return undefined;
  // One that the stage has no more was taken away by who deploys it, and may be.
  const past = pastProfiles.map((one) => profileNamed(profiles, one)).filter((one) => one !== undefined);
  const all = [profile, ...past];
  return {
    ...profile,
    deletionWindowDays: Math.max(...all.map(({ deletionWindowDays }) => deletionWindowDays)),
    watchPeriodDays: Math.max(...all.map(({ watchPeriodDays }) => watchPeriodDays)),
    approvalRequired: all.some(({ approvalRequired }) => approvalRequired),
  };
}

/** The profiles that a key had before the next: each once, and only those of the stage, so there are never many. */
export function pastProfiles(profiles: Profiles, before: Declared, next: string): readonly string[] | undefined {
  const names = [...new Set([...(before.pastProfiles ?? []), before.profile])];
  const past = names.filter((name) => name !== next && profileNamed(profiles, name) !== undefined);
  return past.length === 0 ? undefined : past;
}

/** `hasOwn`, as a record may name what every object has: `constructor`. */
function profileNamed(profiles: Profiles, name: string): KeyProfile | undefined {
  return Object.hasOwn(profiles, name) ? profiles[name] : undefined;
}
