/** Every drift that the local AWS can show, each made with the AWS SDK as root, with what verification has to say of it. */
import { ALIAS_DRIFTS } from "./alias-drifts.ts";
import type { KeyDrift } from "./drift.ts";
import { KEY_DRIFTS } from "./key-drifts.ts";
import { PROFILE_DRIFTS } from "./profile-drifts.ts";
import { RECORD_DRIFTS } from "./registry-drifts.ts";
import { ROLE_DRIFTS } from "./role-drifts.ts";

export {
  DRIFT_PROFILES,
  type DriftedKeys,
  driftBench,
  driftedKey,
  injectDrifts,
  resolveByHand,
  signUpAll,
} from "./bench.ts";
export type { DriftBench, KeyDrift } from "./drift.ts";
export { putKeyPolicy } from "./key-drifts.ts";
export { ORPHAN_DRIFTS } from "./registry-drifts.ts";

export const DRIFTS: readonly KeyDrift[] = [
  ...KEY_DRIFTS,
  ...ALIAS_DRIFTS,
  ...ROLE_DRIFTS,
  ...RECORD_DRIFTS,
  ...PROFILE_DRIFTS,
];
