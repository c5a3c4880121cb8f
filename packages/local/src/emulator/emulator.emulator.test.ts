import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { afterEach, describe, expect, test, vi } from "vitest";
import { connectEmulator, type Emulator, openEmulator, startEmulator } from "./emulator.ts";
import { ensurePythonEnvironment } from "./python-environment.ts";
import { callerWith } from "./test-support.ts";

const TIMEOUT_MS = 120_000;
const running: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const end of running.splice(0)) await end();
});

async function start(options: Parameters<typeof startEmulator>[0] = {}): Promise<Emulator> {
  const emulator = await startEmulator(options);
  running.push(() => emulator.stop());
  return emulator;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const deadlineMs = Date.now() + 10_000; Date.now() < deadlineMs; await delay(20))
    if (await condition()) return true;
  return false;
}

const answers = (endpoint: string) =>
  fetch(`${endpoint}/_ministack/health`).then(
    (response) => response.ok,
    () => false,
  );
const dataDirs = () => readdirSync(tmpdir()).filter((name) => name.startsWith("tenantkeys-aws-"));

describe("startEmulator", () => {
  test(
    "starts an emulator of its own, and stop() leaves neither a process nor a file",
    async () => {
      vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAREALREALREALREAL");
      const before = dataDirs();
      const emulator = await start();
      const identity = await callerWith(emulator, emulator.credentials).sts.send(new GetCallerIdentityCommand());
      expect(identity.Account).toBe(emulator.accountId);
      expect(emulator.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect(emulator.memoryBytes()).toBeGreaterThan(10e6);
      expect(emulator.memoryBytes()).toBeLessThan(500e6);
      // Lambda functions inherit the emulator's environment.
      const environment = existsSync("/proc") ? await readFile(`/proc/${emulator.pid}/environ`, "utf8") : "";
      expect(environment).not.toContain("AKIAREAL");
      await Promise.all([emulator.stop(), emulator.stop()]);
      expect(await answers(emulator.endpoint)).toBe(false);
      expect(dataDirs().filter((name) => !before.includes(name))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "ends with the process that started it, even one that was killed",
    async () => {
      const program = `
        import { startEmulator } from ${JSON.stringify(join(import.meta.dirname, "emulator.ts"))};
        const emulator = await startEmulator();
        console.log(JSON.stringify({ endpoint: emulator.endpoint, pid: emulator.pid }));
        setInterval(() => {}, 1000);`;
      const parent = spawn(process.execPath, ["--input-type=module", "--eval", program], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      running.push(async () => parent.kill("SIGKILL"));
      const [line] = await once(parent.stdout, "data");
      const { endpoint, pid } = JSON.parse(String(line));
      const [environment] = existsSync("/proc") ? [await readFile(`/proc/${pid}/environ`, "utf8")] : [""];
      const dataDir = /HOME=([^\0]+)/.exec(environment)?.[1];
      expect(await answers(endpoint)).toBe(true);
      parent.kill("SIGKILL");
      expect(await until(async () => !(await answers(endpoint)))).toBe(true);
      if (dataDir) expect(await until(() => !existsSync(dataDir))).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    "says which port is taken",
    async () => {
      const first = await start();
      const port = Number(new URL(first.endpoint).port);
      await expect(startEmulator({ port })).rejects.toMatchObject({
        code: "port_in_use",
        message: expect.stringContaining(String(port)),
      });
    },
    TIMEOUT_MS,
  );

  test(
    "shows the end of the log when the emulator can't start",
    async () => {
      await expect(startEmulator({ env: { AUTH: "false" } })).rejects.toMatchObject({
        code: "emulator_start_failed",
        message: expect.stringContaining("needs AUTH=true"),
      });
    },
    TIMEOUT_MS,
  );
});

describe("connectEmulator", () => {
  async function serve(health: unknown): Promise<string> {
    const server: Server = createServer((_, response) => response.end(JSON.stringify(health)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    running.push(() => new Promise((resolve) => server.close(resolve)));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test("uses what AWS_ENDPOINT_URL names, and doesn't stop it", async () => {
    const endpoint = await serve({ auth: "enabled" });
    vi.stubEnv("AWS_ENDPOINT_URL", `${endpoint}/`);
    const emulator = await openEmulator();
    expect(emulator).toMatchObject({ endpoint, pid: 0 });
    await emulator.stop();
    expect(await answers(endpoint)).toBe(true);
  });

  test.each([
    ["nothing answers", async () => "http://127.0.0.1:9", "endpoint_unreachable"],
    ["the emulator checks no policies", () => serve({ auth: "disabled" }), "endpoint_without_auth"],
    ["it is AWS", async () => "https://kms.eu-west-1.amazonaws.com", "endpoint_is_aws"],
  ])("refuses an endpoint where %s", async (_, endpoint, code) => {
    await expect(connectEmulator(await endpoint())).rejects.toMatchObject({ name: "LocalAwsError", code });
  });
});

describe("ensurePythonEnvironment", () => {
  test("says what to install when there is no Python", async () => {
    const cacheDir = join(tmpdir(), "tenantkeys-no-such-cache");
    vi.stubEnv("PATH", "/nowhere");
    await expect(ensurePythonEnvironment({ cacheDir })).rejects.toMatchObject({
      code: "python_missing",
      message: expect.stringContaining("apt-get install python3 python3-venv"),
    });
    expect(existsSync(cacheDir)).toBe(false);
  });

  test(
    "leaves nothing half installed when pip can't reach its index",
    async () => {
      const cacheDir = await mkdtemp(join(tmpdir(), "tenantkeys-cache-"));
      running.push(() => rm(cacheDir, { recursive: true }));
      vi.stubEnv("PIP_INDEX_URL", "http://127.0.0.1:9/");
      vi.stubEnv("PIP_FIND_LINKS", "");
      vi.stubEnv("PIP_RETRIES", "0");
      vi.stubEnv("PIP_CONFIG_FILE", "/dev/null");
      vi.stubEnv("PIP_NO_CACHE_DIR", "1");
      await expect(ensurePythonEnvironment({ cacheDir })).rejects.toMatchObject({
        code: "python_install_failed",
        message: expect.stringContaining("docker run -p 4566:4566 -e AUTH=true ministackorg/ministack"),
      });
      expect(readdirSync(cacheDir)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
