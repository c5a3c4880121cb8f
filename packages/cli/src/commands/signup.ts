import type { BusEvent } from "@tenantkeys/aws";
import {
  type EventDetail,
  type KeyName,
  parseKeyName,
  parseTenantId,
  type Stage,
  type TenantId,
} from "@tenantkeys/core";
import type { Command } from "commander";
import { EVENT_SOURCE, type EventFlags, sayEnd, sayUnsent } from "../declare.ts";
import { withEventOptions } from "../event-options.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { checked } from "../global-options.ts";
import { keyTable } from "../key-table.ts";
import { identifier, keyNames } from "../option-parsers.ts";
import { keysMadeOutcome } from "../outcomes.ts";
import type { Session } from "../ports.ts";
import { checkProfile } from "../profile-option.ts";
import { UsageError } from "../usage-error.ts";
import { waitForOutcome } from "../wait-for-outcome.ts";
import { type Act, addExamples } from "./command.ts";

const KEY_NAMES_MAX = 10;

interface SignUpOptions {
  readonly tenantId: TenantId;
  /** Empty: one key named `default`. */
  readonly keyNames: readonly KeyName[];
  readonly profile: string | undefined;
  readonly generation: number | undefined;
  readonly wait: boolean;
  readonly timeoutSeconds: number;
}

async function signUp(session: Session, options: SignUpOptions): Promise<ExitCode> {
  const { operator, run, output } = session;
  const { tenantId, timeoutSeconds } = options;
  checkProfile(session, options.profile);
  const event = signUpEvent(options, operator.settings.stage);
  const [outcome] = await operator.publish(run, [event], { keepRefused: true });
  if (outcome?.kind !== "accepted") return sayUnsent(session, tenantId, outcome);
  const { eventId } = outcome;
  if (!options.wait) {
    output.answer({ tenantId, eventId }, () => `published the sign-up of ${tenantId} as event ${eventId}\n`);
    return EXIT.done;
  }
  const names = options.keyNames.length === 0 ? [parseKeyName("default")] : options.keyNames;
  const sent = { tenantId, eventId, generation: options.generation };
  const goal = keysMadeOutcome(sent, names, run.clock.nowMs());
  const { keys, ...result } = await waitForOutcome(session, { tenantId, eventId, ...goal }, timeoutSeconds * 1000);
  const made = keys.filter((key) => names.includes(key.keyName));
  output.answer({ tenantId, eventId, ...result, keys: made }, () => (made.length === 0 ? "" : keyTable(made)));
  return sayEnd(session, tenantId, { ...result, keys: made }, timeoutSeconds);
}

function signUpEvent(options: SignUpOptions, stage: Stage): BusEvent {
  const detail: EventDetail<"TenantSignedUp"> = {
    version: "1",
    tenantId: options.tenantId,
    stage,
    ...(options.keyNames.length === 0 ? {} : { keyNames: [...options.keyNames] }),
    ...(options.generation === undefined ? {} : { generation: options.generation }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
  };
  return { source: EVENT_SOURCE, "detail-type": "TenantSignedUp", detail };
}

interface Flags extends EventFlags {
  readonly keyName?: readonly KeyName[];
  readonly profile?: string;
}

export function addSignUp(program: Command, act: Act): void {
  const command = program
    .command("signup")
    .description("publish a tenant's sign-up; the stage then makes its keys, aliases and role")
    .argument("<tenantId>", "1 to 36 of a-z, 0-9 and -, starting with a letter or digit", identifier(parseTenantId))
    .option("--key-name <name...>", 'a key per name, at most 10 (default: one key named "default")', keyNames)
    .option("--profile <name>", "a key profile of the stage", (text) => checked("--profile", () => parseKeyName(text)));
  withEventOptions(command, "every key is made", "the event's time");
  command.action(async (tenantId: TenantId, flags: Flags) => {
    const names = flags.keyName ?? [];
    if (names.length > KEY_NAMES_MAX) throw new UsageError(`--key-name: expected at most ${KEY_NAMES_MAX} names`);
    const { profile, generation, wait = false, timeout: timeoutSeconds } = flags;
    const options = { tenantId, keyNames: names, profile, generation, wait, timeoutSeconds };
    await act((session) => signUp(session, options));
  });
  addExamples(command, [
    "tenantkeys signup acme",
    "tenantkeys signup acme --key-name default payroll --wait",
    "tenantkeys signup acme --stage production --generation 2 --json",
  ]);
}
