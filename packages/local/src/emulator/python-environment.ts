import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { LocalAwsError } from "./errors.ts";
import { runCommand } from "./run-command.ts";

/** Where strict_ministack and its requirements are. */
export const PYTHON_SOURCE_DIR = join(import.meta.dirname, "../../python");

/** ministack's own lowest version is 3.10; newest first, since `python3` may be an old one beside a newer. */
const PYTHON_COMMANDS = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
const VERSION_CHECK = "import sys; sys.exit(sys.version_info < (3, 10))";
/** Fails when the Python that the environment was made from has been replaced by another minor version. */
const USABLE_CHECK = "import ministack, cryptography, hypercorn";

const CHECK_TIMEOUT_MS = 20_000;
const VENV_TIMEOUT_MS = 120_000;
const INSTALL_TIMEOUT_MS = 600_000;

/** What to do instead of having Python here; the image name is the one in ministack's own documentation. */
const OTHER_WAYS =
  "Or start an emulator elsewhere and set AWS_ENDPOINT_URL=http://host:port, for example\n" +
  "  docker run -p 4566:4566 -e AUTH=true ministackorg/ministack\n" +
  "(the plain image lacks the rules in packages/local/python, so some tests need the Python way).";

/**
 * The Python that can run the local AWS: made once for each version of requirements.txt in
 * `{cacheDir}/python-{hash}`, then reused.
 *
 * The environment is made under another name and moved into place when whole, so an interrupted install is never taken
 * for a good one, and of two processes at once the second uses the first one's.
 *
 * @throws LocalAwsError `python_missing` when no Python 3.10 or later is found
 * @throws LocalAwsError `python_install_failed` when the venv module or the network is missing
 */
export async function ensurePythonEnvironment(options: {
  readonly cacheDir: string;
  readonly onProgress?: (text: string) => void;
}): Promise<{ pythonPath: string }> {
  const requirementsPath = join(PYTHON_SOURCE_DIR, "requirements.txt");
  const hash = createHash("sha256")
    .update(await readFile(requirementsPath))
    .digest("hex");
  const home = join(options.cacheDir, `python-${hash.slice(0, 16)}`);
  if (await isUsable(home)) return { pythonPath: pythonIn(home) };

  const basePython = await findPython();
  await rm(home, { recursive: true, force: true });
  await mkdir(options.cacheDir, { recursive: true });
  const unfinished = await mkdtemp(`${home}.part-`);
  try {
    await install({ basePython, home: unfinished, requirementsPath, onProgress: options.onProgress });
    await moveIntoPlace(unfinished, home);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return { pythonPath: pythonIn(home) };
}

function pythonIn(home: string): string {
  return join(home, "bin", "python");
}

async function isUsable(home: string): Promise<boolean> {
  if (!existsSync(pythonIn(home))) return false;
  const check = await runCommand(pythonIn(home), ["-c", USABLE_CHECK], { timeoutMs: CHECK_TIMEOUT_MS });
  return check.ok;
}

async function findPython(): Promise<string> {
  for (const command of PYTHON_COMMANDS) {
    const check = await runCommand(command, ["-c", VERSION_CHECK], { timeoutMs: CHECK_TIMEOUT_MS });
    if (check.ok) return command;
  }
  throw new LocalAwsError(
    "python_missing",
    "The local AWS needs Python 3.10 or later, and none was found on PATH. Install it and run the command again:\n" +
      "  apt-get install python3 python3-venv     (Debian, Ubuntu)\n" +
      `  brew install python                      (macOS)\n${OTHER_WAYS}`,
  );
}

async function install(options: {
  readonly basePython: string;
  readonly home: string;
  readonly requirementsPath: string;
  readonly onProgress: ((text: string) => void) | undefined;
}): Promise<void> {
  options.onProgress?.("making a Python environment for the local AWS");
  const made = await runCommand(options.basePython, ["-m", "venv", options.home], { timeoutMs: VENV_TIMEOUT_MS });
  if (!made.ok) {
    throw new LocalAwsError(
      "python_install_failed",
      `${options.basePython} can't make a virtual environment. Install its venv module and run the command again:\n` +
        `  apt-get install python3-venv\n${OTHER_WAYS}\n\n${made.output}`,
    );
  }
  options.onProgress?.("installing the local AWS (ministack, about 90 MB, once)");
  // Wheels whose hashes are in requirements.txt, and nothing else: no code of a package runs while it is installed.
  const pip = ["-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:"];
  const quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "-r", options.requirementsPath];
  const installed = await runCommand(pythonIn(options.home), [...pip, ...quiet], {
    timeoutMs: INSTALL_TIMEOUT_MS,
    onLine: (line) => options.onProgress?.(line),
  });
  if (!installed.ok) {
    throw new LocalAwsError(
      "python_install_failed",
      "pip couldn't install the local AWS. Check the network (a proxy or a mirror can be set as for any pip: " +
        `HTTPS_PROXY, PIP_INDEX_URL) and run the command again.\n${OTHER_WAYS}\n\n${installed.output}`,
    );
  }
}

async function moveIntoPlace(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    // Another process was first: a directory that isn't empty can't be replaced.
    if (await isUsable(to)) return;
    throw new LocalAwsError("python_install_failed", `${to} can't be written; remove it and run the command again.`, {
      cause: error,
    });
  }
}
