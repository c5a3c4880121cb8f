import type { BusEvent } from "@tenantkeys/aws";
import { type EventDetail, type KeyName, parseKeyName, parseTenantId, type TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { checked } from "../global-options.ts";
import { keyTable } from "../key-table.ts";
import { identifier, keyNames, wholeNumber } from "../option-parsers.ts";
import type { Session } from "../ports.ts";
import { UsageError } from "../usage-error.ts";
import { type WaitResult, waitForKeys } from "../wait-for-keys.ts";
import { type Act, addExamples } from "./command.ts";

/** The source of the applications' own sign-ups, which every stage takes unless its settings say otherwise. */
const SIGN_UP_SOURCE = "tenantkeys.application";
const KEY_NAMES_MAX = 10;
const TIMEOUT_SECONDS_DEFAULT = 120;

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
  const { tenantId, profile } = options;
  if (profile !== undefined && operator.settings.profiles[profile] === undefined) {
    const known = Object.keys(operator.settings.profiles).join(", ");
    throw new UsageError(`--profile: this stage has no key profile "${profile}"; expected one of: ${known}`);
  }
  const [outcome] = await operator.publish(run, [signUpEvent(options)], { keepRefused: true });
  if (outcome?.kind !== "accepted") {
    if (outcome !== undefined) output.error(outcome.error.within({ tenantId }));
    return outcome?.kind === "refused" ? EXIT.differs : EXIT.failed;
  }
  const { eventId } = outcome;
  if (!options.wait) {
    output.answer({ tenantId, eventId }, () => `published the sign-up of ${tenantId} as event ${eventId}\n`);
    return EXIT.done;
  }
  const names = options.keyNames.length === 0 ? [parseKeyName("default")] : options.keyNames;
  const awaited = { tenantId, keyNames: names, eventId, generation: options.generation };
  const result = await waitForKeys(session, awaited, options.timeoutSeconds * 1000);
  output.answer({ tenantId, eventId, ...result }, () => (result.keys.length === 0 ? "" : keyTable(result.keys)));
  return explainEnd(session, options, result);
}

function explainEnd(session: Session, options: SignUpOptions, result: WaitResult): ExitCode {
  const { output } = session;
  const { tenantId } = options;
  switch (result.end) {
    case "active":
      return EXIT.done;
    case "superseded":
      output.note(`nothing changed: a newer declaration of ${tenantId} is known; see tenantkeys show ${tenantId}`);
      return EXIT.differs;
    case "refused": {
      const reason = result.refused ?? result.keys.find((key) => key.failure !== undefined)?.failure;
      output.note(`refused: ${reason?.code}: ${reason?.message}`);
      output.note(`next: ${reason?.nextAction}`);
      return EXIT.differs;
    }
    case "timeout":
      output.note(
        `still under way after ${options.timeoutSeconds} s; nothing is lost: see tenantkeys show ${tenantId}`,
      );
      return EXIT.failed;
  }
}

function signUpEvent(options: SignUpOptions): BusEvent {
  const detail: EventDetail<"TenantSignedUp"> = {
    version: "1",
    tenantId: options.tenantId,
    ...(options.keyNames.length === 0 ? {} : { keyNames: [...options.keyNames] }),
    ...(options.generation === undefined ? {} : { generation: options.generation }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
  };
  return { source: SIGN_UP_SOURCE, "detail-type": "TenantSignedUp", detail };
}

interface Flags {
  readonly keyName?: readonly KeyName[];
  readonly profile?: string;
  readonly generation?: number;
  readonly wait?: boolean;
  readonly timeout: number;
}

export function addSignUp(program: Command, act: Act): void {
  const command = program
    .command("signup")
    .description("publish a tenant's sign-up; the stage then makes its keys, aliases and role")
    .argument("<tenantId>", "1 to 36 of a-z, 0-9 and -, starting with a letter or digit", identifier(parseTenantId))
    .option("--key-name <name...>", 'a key per name, at most 10 (default: one key named "default")', keyNames)
    .option("--profile <name>", "a key profile of the stage", (text) => checked("--profile", () => parseKeyName(text)))
    .option("--generation <n>", "orders declarations; a higher one wins", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option("--wait", "wait until every key is active or the sign-up is refused")
    .option("--timeout <seconds>", "how long --wait waits", wholeNumber(1, 600), TIMEOUT_SECONDS_DEFAULT)
    .action(async (tenantId: TenantId, flags: Flags) => {
      const names = flags.keyName ?? [];
      if (names.length > KEY_NAMES_MAX) throw new UsageError(`--key-name: expected at most ${KEY_NAMES_MAX} names`);
      const { profile, generation } = flags;
      await act((session) =>
        signUp(session, {
          tenantId,
          keyNames: names,
          profile,
          generation,
          wait: flags.wait === true,
          timeoutSeconds: flags.timeout,
        }),
      );
    });
  addExamples(command, [
    "tenantkeys signup acme",
    "tenantkeys signup acme --key-name default payroll --wait",
    "tenantkeys signup acme --stage production --generation 2 --json",
  ]);
}
