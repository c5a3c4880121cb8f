import { type KeyRecord, LIFECYCLE_STATES, type LifecycleState } from "@tenantkeys/core";
import { type Command, Option } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { keyTable } from "../key-table.ts";
import type { Session } from "../ports.ts";
import { type Act, addExamples } from "./command.ts";

interface ListOptions {
  readonly state: LifecycleState | undefined;
}

async function list(session: Session, options: ListOptions): Promise<ExitCode> {
  const { operator, run, output, progress } = session;
  const keys: KeyRecord[] = [];
  for await (const record of operator.listKeys(run, options)) {
    keys.push(record);
    progress.update(`${keys.length} keys read`);
  }
  keys.sort((one, other) => compare(one.tenantId, other.tenantId) || compare(one.keyName, other.keyName));
  output.answer({ keys }, () => (keys.length === 0 ? "no keys\n" : keyTable(keys)));
  return EXIT.done;
}

/** By code unit: the same order on every machine. */
function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

export function addList(program: Command, act: Act): void {
  const command = program
    .command("list")
    .description("list the tenants' keys as the registry has them")
    .addOption(new Option("--state <state>", "only keys in this state").choices(LIFECYCLE_STATES))
    .action((flags: { readonly state?: LifecycleState }) => act((session) => list(session, { state: flags.state })));
  addExamples(command, ["tenantkeys list", "tenantkeys list --state failed --json"]);
}
