/**
 * Lists 100,000 tenant keys as the sweep function does, in this
 * process alone: started with the heap that Lambda leaves, it runs out of memory where they don't fit. Prints what it took.
 */
import { createQuotaShare, type SweepPorts, sweepTick } from "@tenantkeys/aws";
import { emptySweeps, inMemorySweepStore } from "../../packages/aws/src/verification/sweep/sweep-store.test-support.ts";
import { modelledStage } from "./modelled-stage.ts";
import { QuotaModel } from "./quota-model.ts";
import { VirtualClock } from "./virtual-clock.ts";

const START_MS = Date.UTC(2026, 10, 24);
const MIB = 2 ** 20;

const clock = new VirtualClock(START_MS);
const stage = modelledStage(new QuotaModel(clock), START_MS, { tenants: 5_000, keysEach: 20 });
const held = emptySweeps();
let heapPeak = 0;
let shards = 0;
const sweeps = inMemorySweepStore(held, async (name, effect) => {
  heapPeak = Math.max(heapPeak, process.memoryUsage().heapUsed);
  const result = effect();
  // The registry keeps shards, and not the lister's memory.
  if (name === "putShard") {
    shards += 1;
    held.shards.clear();
  }
  return result;
});
const nothing = { opened: [], stillOpen: [], closed: [] };
const { clients, settings, context } = stage;
const ports: SweepPorts = {
  sweeps,
  findings: {
    record: async () => nothing,
    openOfTenant: async () => [],
    async *listOpen() {},
    history: async () => [],
  },
  metrics: { put: async () => {} },
  repair: async () => ({ asked: [], waiting: [], beyond: [] }),
  clients,
  observing: clients,
  quota: createQuotaShare(settings.sweepQuotaShare, 1),
  settings,
  context,
  tableName: "registry",
  queueUrl: "queue",
  leaseDurationMs: 915_000,
  newSweepId: () => "sweep-1",
};
const heapBefore = process.memoryUsage().heapUsed;
await clock.until(sweepTick(ports, { clock, deadlineMs: START_MS + 890_000, signal: new AbortController().signal }));
console.log(
  JSON.stringify({
    tenantKeys: held.current?.tenantKeys,
    shards,
    heapBeforeMiB: Math.round(heapBefore / MIB),
    heapPeakMiB: Math.round(heapPeak / MIB),
    // Kilobytes, of the whole process with what the model of AWS itself takes.
    residentPeakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
);
