import type { Session } from "./ports.ts";
import { UsageError } from "./usage-error.ts";

/** @throws UsageError where the stage has no such key profile */
export function checkProfile({ operator }: Session, profile: string | undefined): void {
  const { profiles } = operator.settings;
  if (profile === undefined || Object.hasOwn(profiles, profile)) return;
  const known = Object.keys(profiles).join(", ");
  throw new UsageError(`--profile: this stage has no key profile "${profile}"; expected one of: ${known}`);
}
