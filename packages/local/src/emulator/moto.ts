import { LOCAL_ACCOUNT_ID } from "./emulator.ts";
import { isAnswering } from "./health.ts";
import { ensurePythonEnvironment, LOCAL_CACHE_DIR, MOTO, PYTHON_SOURCE_DIR } from "./python-environment.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

/**
 * Starts moto 5.2.5, a second emulator that others wrote: for RotateKeyOnDemand and ListKeyRotations, which the local AWS
 * has from rules of our own. It checks no permission, so it can't show who may do something. It ends with `stop()`, and by itself when this process ends.
 *
 * @throws LocalAwsError `python_missing`, `python_install_failed` or `emulator_start_failed`
 */
export async function startMoto(
  options: { readonly onProgress?: (text: string) => void } = {},
): Promise<Pick<ServerProcess, "endpoint" | "stop">> {
  const { pythonPath } = await ensurePythonEnvironment({ cacheDir: LOCAL_CACHE_DIR, packages: MOTO, ...options });
  return startServerProcess({
    name: "moto",
    pythonPath,
    module: "moto_server",
    directoryPrefix: "tenantkeys-moto-",
    environment: (dataDir) => ({
      PATH: process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin",
      HOME: dataDir,
      TMPDIR: dataDir,
      LANG: "C.UTF-8",
      TZ: "UTC",
      PYTHONPATH: PYTHON_SOURCE_DIR,
      PYTHONDONTWRITEBYTECODE: "1",
      MOTO_ACCOUNT_ID: LOCAL_ACCOUNT_ID,
      TENANTKEYS_DATA_DIR: dataDir,
    }),
    isReady: isAnswering,
  });
}
