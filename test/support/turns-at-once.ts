/** Turns of the schedule that begin a sweep in the same moment: each has read what there is before any writes. */
import { startRun, sweepTick, systemClock } from "@tenantkeys/aws";
import { createSweepPorts } from "../../packages/functions/src/verification-ports.ts";
import { hookInto } from "./provisioner.ts";

const SAY_NOTHING = { onUntold: () => {}, onUncalled: () => {}, onRepair: () => {} };
const { config, turns } = JSON.parse(process.env.APART_INPUT ?? "{}");
const run = startRun(systemClock, 60_000, 5_000);
let waiting = 0;
let allAreHere = () => {};
const meeting = new Promise<void>((resolve) => {
  allAreHere = resolve;
});
/** Before the first write of each; later ones pass. */
async function meet(commandName: string): Promise<void> {
  if (!/^(Put|Update|TransactWrite)/.test(commandName)) return;
  waiting += 1;
  if (waiting >= turns) allAreHere();
  await meeting;
}

const outcomes = await Promise.all(
  Array.from({ length: turns }, async () => {
    const ports = await createSweepPorts(config, SAY_NOTHING)(run, 60_000);
    hookInto({ documents: ports.clients.documents }, { before: meet });
    return sweepTick(ports, run);
  }),
);
process.stdout.write(JSON.stringify(outcomes.map(({ did }) => did)));
process.exit(0);
