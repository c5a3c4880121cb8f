export { type CallCount, countKeyAndRoleMutations, readCalls, resetCalls } from "./calls.ts";
export { advanceClock, makeKeyOlder, makeMetricsOlder } from "./clock.ts";
export type { Emulator, StartEmulatorOptions } from "./emulator.ts";
export {
  connectEmulator,
  LOCAL_ACCOUNT_ID,
  LOCAL_CREDENTIALS,
  LOCAL_REGION,
  openEmulator,
  startEmulator,
} from "./emulator.ts";
export { LocalAwsError, type LocalAwsErrorCode } from "./errors.ts";
export { startMoto } from "./moto.ts";
export { ensurePythonEnvironment } from "./python-environment.ts";
export { startTrail } from "./trail.ts";
