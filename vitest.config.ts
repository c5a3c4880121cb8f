import { defineConfig } from "vitest/config";

const EMULATOR_TESTS = ["packages/**/*.emulator.test.ts"];
const E2E_TESTS = ["test/e2e/**/*.e2e.test.ts"];
/** Each keeps a core busy for some seconds: apart from the unit tests, which are to be quick. */
const ORACLE_TESTS = ["test/oracle/**/*.oracle.test.ts"];

/** Each project is run by name from test/run.ts. Emulator tests run file by file, beside the simulation and the oracle. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "packages/**/*.test.ts",
            "events/**/*.test.ts",
            "test/**/*.test.ts",
            "bench/**/*.test.ts",
            "examples/**/*.test.ts",
          ],
          exclude: [
            "**/node_modules/**",
            ...EMULATOR_TESTS,
            ...E2E_TESTS,
            ...ORACLE_TESTS,
            "test/infra/**",
            "test/sim/**",
          ],
        },
      },
      { test: { name: "oracle", include: ORACLE_TESTS, fileParallelism: false, testTimeout: 300_000 } },
      { test: { name: "sim", include: ["test/sim/**/*.test.ts"], testTimeout: 600_000, hookTimeout: 900_000 } },
      { test: { name: "infra", include: ["test/infra/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 240_000 } },
      {
        test: {
          name: "emulator",
          include: EMULATOR_TESTS,
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 240_000,
        },
      },
      {
        // Each file has a stage and an emulator of its own, and waits much: two of them keep two cores busy.
        test: { name: "e2e", include: E2E_TESTS, maxWorkers: 2, testTimeout: 120_000, hookTimeout: 240_000 },
      },
    ],
  },
});
