/**
 * The provisioner cut off between any two calls. Crashes and aborted calls are simulated (a hook around each call, a
 * process that kills itself), as no local service does that; everything they leave behind is real.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type Credentials, provisionTenantKey } from "@tenantkeys/aws";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { encryptAsTenant, readTenantKey } from "../support/aws-state.ts";
import {
  type CallHook,
  clockAhead,
  declarationOf,
  LEASE_DURATION_MS,
  provisionerCredentials,
  provisionerPorts,
  testRun,
} from "../support/provisioner.ts";
import { sharedStage } from "../support/shared-stage.ts";

/** Nine on the clean path: declare, role and key, rotation and policy and alias, admit, record, reply. */
const CALLS = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const MOMENTS = ["before", "after"] as const;
const GAPS = CALLS.flatMap((call) => MOMENTS.map((moment) => ({ call, moment })));

let stage: LocalStage;
let credentials: Credentials;

beforeAll(async () => {
  stage = await sharedStage();
  credentials = await provisionerCredentials(stage);
});

const ports = (hook?: CallHook) => provisionerPorts({ ...stage, credentials, ...(hook && { hook }) });
const afterTheLease = () => testRun(clockAhead(LEASE_DURATION_MS + 1_000));

/** One usable key behind the alias; any other key of the tenant is dying and never let the tenant in. */
async function expectOneUsableKey(tenantId: string): Promise<void> {
  const state = await readTenantKey(stage, tenantId);
  const alive = state.keys.filter((key) => key.state === "Enabled");
  expect(alive.map((key) => key.keyArn)).toEqual([state.aliasKeyArn]);
  for (const key of state.keys) if (key.state !== "Enabled") expect(key.state).toBe("PendingDeletion");
  expect(state.rolePolicyNames).toEqual(["key-default"]);
  await encryptAsTenant(stage, tenantId);
}

/** One call is aborted before it is sent, or after its reply; the calls after it work. */
function cutAt(cutCall: number, moment: "before" | "after"): CallHook {
  const cutIf = (now: "before" | "after", call: number) => {
    if (call === cutCall && now === moment) throw Object.assign(new Error("cut off"), { name: "TimeoutError" });
  };
  return { before: (_name, call) => cutIf("before", call), after: (_name, call) => cutIf("after", call) };
}

describe("a worker that is cut off and whose message comes again", () => {
  it("makes exactly nine calls when nothing goes wrong", async () => {
    const names: string[] = [];
    await provisionTenantKey(ports({ before: (name) => void names.push(name) }), testRun(), declarationOf("clean"));
    expect(names.toSorted()).toEqual(
      [
        "TransactWriteItemsCommand",
        "CreateRoleCommand",
        "CreateKeyCommand",
        "EnableKeyRotationCommand",
        "PutRolePolicyCommand",
        "CreateAliasCommand",
        "PutKeyPolicyCommand",
        "PutItemCommand",
        "PutEventsCommand",
      ].toSorted(),
    );
  });

  it.each(GAPS)("ends with one usable key after a call aborted $moment call $call", async ({ call, moment }) => {
    const declaration = declarationOf(`abort-${call}-${moment}`);

    await expect(provisionTenantKey(ports(cutAt(call, moment)), testRun(), declaration)).rejects.toThrow();
    const outcome = await provisionTenantKey(ports(), afterTheLease(), declaration);

    expect(outcome.kind).toBe("active");
    await provisionTenantKey(ports(), testRun(clockAhead(2 * LEASE_DURATION_MS + 2_000)), declaration);
    await expectOneUsableKey(declaration.tenantId);
  });

  it.each(GAPS)("ends with one usable key after the process is killed $moment call $call", async ({ call, moment }) => {
    const declaration = declarationOf(`kill-${call}-${moment}`);

    const { settings, context, at } = stage;
    const input = { at, credentials, settings, context, tenantId: declaration.tenantId, dieAt: call, moment };
    const child = spawn(process.execPath, [join(import.meta.dirname, "../support/provision-and-die.ts")], {
      env: { ...process.env, DIE_INPUT: JSON.stringify(input) },
      stdio: "ignore",
    });
    const [, signal] = await once(child, "exit");
    expect(signal).toBe("SIGKILL");
    const outcome = await provisionTenantKey(ports(), afterTheLease(), declaration);

    expect(outcome.kind).toBe("active");
    await expectOneUsableKey(declaration.tenantId);
  });

  it("schedules the key of a lost attempt for deletion once its tag is found, and never the tenant's", async () => {
    const declaration = declarationOf("lagging-index");
    // The tagging index of the local AWS never lags, so its lag is simulated: for one run it knows nothing.
    const blind: CallHook = {
      instead: (name) => (name === "GetResourcesCommand" ? { output: { ResourceTagMappingList: [] } } : undefined),
    };
    const createKeyReplyLost = cutAfter("CreateKeyCommand");

    await expect(provisionTenantKey(ports(createKeyReplyLost), testRun(), declaration)).rejects.toThrow();
    await provisionTenantKey(ports(blind), afterTheLease(), declaration);
    const between = await readTenantKey(stage, declaration.tenantId);
    await provisionTenantKey(ports(), testRun(clockAhead(2 * LEASE_DURATION_MS + 2_000)), declaration);

    expect(between.keys.map((key) => key.state)).toEqual(["Enabled", "Enabled"]);
    const after = await readTenantKey(stage, declaration.tenantId);
    expect(after.keys.map((key) => key.state).toSorted()).toEqual(["Enabled", "PendingDeletion"]);
    expect(after.aliasKeyArn).toBe(between.aliasKeyArn);
    await expectOneUsableKey(declaration.tenantId);
  });

  it("stops making keys after five lost attempts and asks for a person", async () => {
    const declaration = declarationOf("crash-loop");
    const hook: CallHook = {
      ...cutAfter("CreateKeyCommand"),
      instead: (name) => (name === "GetResourcesCommand" ? { output: { ResourceTagMappingList: [] } } : undefined),
    };

    for (let lost = 1; lost <= 5; lost++) {
      await expect(provisionTenantKey(ports(hook), testRun(), declaration)).rejects.toThrow();
    }
    const sixth = provisionTenantKey(ports(hook), testRun(), declaration);

    await expect(sixth).rejects.toMatchObject({ code: "attempts_exhausted", retryable: false });
    expect((await readTenantKey(stage, declaration.tenantId)).keys).toHaveLength(5);
  });
});

function cutAfter(commandName: string): CallHook {
  return {
    after: (name) => {
      if (name === commandName) throw Object.assign(new Error("reply lost"), { name: "TimeoutError" });
    },
  };
}
