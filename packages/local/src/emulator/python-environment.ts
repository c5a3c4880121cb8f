import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { LocalAwsError } from "./errors.ts";
import { runCommand } from "./run-command.ts";

/** Where the programs in Python and their requirements are. */
export const PYTHON_SOURCE_DIR = join(import.meta.dirname, "../../python");
/** What is made once and kept, ignored by git. */
export const LOCAL_CACHE_DIR = join(import.meta.dirname, "../../../../.tenantkeys");

/** What an environment holds. */
export interface PythonPackages {
  /** The environment is `{cacheDir}/{directory}-{hash of the requirements}`. */
  readonly directory: string;
  /** In PYTHON_SOURCE_DIR: every package with its version and the hashes of its wheels. */
  readonly requirementsFile: string;
  /** Fails when the Python that the environment was made from has been replaced by another minor version. */
  readonly usableCheck: string;
  /** For messages. */
  readonly name: string;
  readonly size: string;
}

const MINISTACK: PythonPackages = {
  directory: "python",
  requirementsFile: "requirements.txt",
  usableCheck: "import ministack, cryptography, hypercorn",
  name: "the local AWS",
  size: "ministack, about 90 MB",
};

/** For tests of what ministack lacks; made when the first of them runs. */
export const MOTO: PythonPackages = {
  directory: "moto",
  requirementsFile: "requirements-moto.txt",
  usableCheck: "import moto, cryptography, flask",
  name: "the second emulator",
  size: "moto, about 130 MB",
};

/** For tests of whether others can read our messages; made when the first of them runs. */
export const ENCRYPTION_SDK: PythonPackages = {
  directory: "encryption-sdk",
  requirementsFile: "requirements-encryption-sdk.txt",
  usableCheck: "import aws_encryption_sdk, boto3",
  name: "the Encryption SDK for Python",
  size: "aws-encryption-sdk, about 80 MB",
};

/** ministack's own lowest version is 3.10; newest first, since `python3` may be an old one beside a newer. */
const PYTHON_COMMANDS = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
const VERSION_CHECK = "import sys; sys.exit(sys.version_info < (3, 10))";

const CHECK_TIMEOUT_MS = 20_000;
const VENV_TIMEOUT_MS = 120_000;
const INSTALL_TIMEOUT_MS = 600_000;

/** What to do instead of having Python here; the image name is the one in ministack's own documentation. */
const OTHER_WAYS =
  "Or start an emulator elsewhere and set AWS_ENDPOINT_URL=http://host:port, for example\n" +
  "  docker run -p 4566:4566 -e AUTH=true ministackorg/ministack\n" +
  "(the plain image lacks the rules in packages/local/python, so some tests need the Python way).";

/**
 * The Python that can run the local AWS, or what else `packages` names: made once for each version of its requirements,
 * then reused.
 *
 * The environment is made under another name and moved into place when whole, so an interrupted install is never taken
 * for a good one, and of two processes at once the second uses the first one's.
 *
 * @throws LocalAwsError `python_missing` when no Python 3.10 or later is found
 * @throws LocalAwsError `python_install_failed` when the venv module or the network is missing
 */
export async function ensurePythonEnvironment(options: {
  readonly cacheDir: string;
  /** Default: MINISTACK. */
  readonly packages?: PythonPackages;
  readonly onProgress?: (text: string) => void;
}): Promise<{ pythonPath: string }> {
  const packages = options.packages ?? MINISTACK;
  const requirements = await readFile(join(PYTHON_SOURCE_DIR, packages.requirementsFile));
  const hash = createHash("sha256").update(requirements).digest("hex");
  const home = join(options.cacheDir, `${packages.directory}-${hash.slice(0, 16)}`);
  if (await isUsable(home, packages)) return { pythonPath: pythonIn(home) };

  const basePython = await findPython();
  await rm(home, { recursive: true, force: true });
  await mkdir(options.cacheDir, { recursive: true });
  const unfinished = await mkdtemp(`${home}.part-`);
  try {
    await install({ basePython, home: unfinished, packages, onProgress: options.onProgress });
    await moveIntoPlace(unfinished, home, packages);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return { pythonPath: pythonIn(home) };
}

function pythonIn(home: string): string {
  return join(home, "bin", "python");
}

async function isUsable(home: string, packages: PythonPackages): Promise<boolean> {
  if (!existsSync(pythonIn(home))) return false;
  const check = await runCommand(pythonIn(home), ["-c", packages.usableCheck], { timeoutMs: CHECK_TIMEOUT_MS });
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
  readonly packages: PythonPackages;
  readonly onProgress: ((text: string) => void) | undefined;
}): Promise<void> {
  const { name, size, requirementsFile } = options.packages;
  options.onProgress?.(`making a Python environment for ${name}`);
  const made = await runCommand(options.basePython, ["-m", "venv", options.home], { timeoutMs: VENV_TIMEOUT_MS });
  if (!made.ok) {
    throw new LocalAwsError(
      "python_install_failed",
      `${options.basePython} can't make a virtual environment. Install its venv module and run the command again:\n` +
        `  apt-get install python3-venv\n${OTHER_WAYS}\n\n${made.output}`,
    );
  }
  options.onProgress?.(`installing ${name} (${size}, once)`);
  // Wheels whose hashes are in the requirements, and nothing else: no code of a package runs while it is installed.
  const pip = ["-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:"];
  const quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"];
  const requirements = ["-r", join(PYTHON_SOURCE_DIR, requirementsFile)];
  const installed = await runCommand(pythonIn(options.home), [...pip, ...quiet, ...requirements], {
    timeoutMs: INSTALL_TIMEOUT_MS,
    onLine: (line) => options.onProgress?.(line),
  });
  if (!installed.ok) {
    throw new LocalAwsError(
      "python_install_failed",
      `pip couldn't install ${name}. Check the network (a proxy or a mirror can be set as for any pip: ` +
        `HTTPS_PROXY, PIP_INDEX_URL) and run the command again.\n${OTHER_WAYS}\n\n${installed.output}`,
    );
  }
}

async function moveIntoPlace(from: string, to: string, packages: PythonPackages): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    // Another process was first: a directory that isn't empty can't be replaced.
    if (await isUsable(to, packages)) return;
    throw new LocalAwsError("python_install_failed", `${to} can't be written; remove it and run the command again.`, {
      cause: error,
    });
  }
}
