/** The AWS calls that one sign-up takes where nothing is in its way, by operation. */
import { randomUUID } from "node:crypto";
import { type Clients, createClients, destroyClients, provisionTenantKey } from "@tenantkeys/aws";
import type { KeyProfile } from "@tenantkeys/core";
import { type LocalStage, startLocalStage } from "@tenantkeys/local";
import { declarationOf, provisionerCredentials, provisionerPorts, testRun } from "../test/support/provisioner.ts";
import type { Benchmark, BenchmarkResult } from "./benchmark.ts";
import { compare } from "./comparison.ts";
import { naiveSignUp } from "./naive-sign-up.ts";

const TENANTS = 10;
const CALLS_MAX = 9;
const MUTATIONS_MAX = 6;

export const calls: Benchmark = {
  name: "calls",
  title: "AWS calls per tenant on the clean path",
  async run({ onProgress }) {
    const stage = await startLocalStage({ onProgress });
    try {
      return await count(stage);
    } finally {
      await stage.stop();
    }
  },
};

async function count(stage: LocalStage): Promise<BenchmarkResult> {
  const { at, settings, context } = stage;
  const credentials = await provisionerCredentials(stage);
  const ports = provisionerPorts({ at, credentials, settings, context });
  const naiveClients = createClients({ ...at, credentials });
  const profile = settings.profiles.default as KeyProfile;
  const product = await countEach(ports.clients, (n) =>
    provisionTenantKey(ports, testRun(), declarationOf(`product-${n}`)),
  );
  const naive = await countEach(naiveClients, (n) =>
    naiveSignUp(naiveClients, context, profile, `naive-${n}`, randomUUID()),
  );
  destroyClients(ports.clients);
  destroyClients(naiveClients);
  const totals = (counts: readonly CallCounts[], isCounted: (call: string) => boolean) =>
    counts.map((calls) => Object.entries(calls).reduce((sum, [call, times]) => sum + (isCounted(call) ? times : 0), 0));
  const isAny = () => true;
  const isMutation = (call: string) => /^(kms|iam):(?!Get|List|Describe)/.test(call);
  return {
    comparisons: [
      compare("all AWS calls", "calls per sign-up", totals(product, isAny), totals(naive, isAny), {
        atMost: CALLS_MAX,
        of: "product",
      }),
      compare("changes in KMS and IAM", "calls per sign-up", totals(product, isMutation), totals(naive, isMutation), {
        atMost: MUTATIONS_MAX,
        of: "product",
      }),
    ],
    settings: { tenants: TENANTS },
    details: { callsOfTheLastTenant: { product: product.at(-1), naive: naive.at(-1) } },
  };
}

/** Times called, by operation such as `kms:CreateKey`. */
type CallCounts = Record<string, number>;

async function countEach(clients: Clients, signUp: (n: number) => Promise<unknown>): Promise<readonly CallCounts[]> {
  const counts: CallCounts[] = [];
  onCall(clients, (call) => {
    const current = counts.at(-1) as CallCounts;
    current[call] = (current[call] ?? 0) + 1;
  });
  for (let n = 0; n < TENANTS; n++) {
    counts.push({});
    await signUp(n);
  }
  return counts;
}

interface Observable {
  readonly middlewareStack: {
    add(middleware: unknown, options: { readonly step: "finalizeRequest"; readonly name: string }): void;
  };
}

/** Every request that leaves, retries too: `finalizeRequest` runs once for each. */
function onCall(clients: Clients, notice: (call: string) => void): void {
  for (const [client, service] of [
    [clients.kms, "kms"],
    [clients.kmsOnce, "kms"],
    [clients.iam, "iam"],
    [clients.documents, "dynamodb"],
    [clients.eventBridge, "events"],
    [clients.sqs, "sqs"],
    [clients.tagging, "tag"],
  ] as const) {
    const noticing =
      (next: (args: unknown) => Promise<unknown>, context: { commandName?: string }) => (args: unknown) => {
        notice(`${service}:${(context.commandName ?? "").replace(/Command$/, "")}`);
        return next(args);
      };
    (client as unknown as Observable).middlewareStack.add(noticing, { step: "finalizeRequest", name: "countCalls" });
  }
}
