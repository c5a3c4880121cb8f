import { type KeyName, parseKeyName, parseTenantId, RULE_IDS, type RuleId, type TenantId } from "@tenantkeys/core";
import { type Command, Option } from "commander";
import { withYes } from "../event-options.ts";
import { identifier, wholeNumber } from "../option-parsers.ts";
import { apply } from "../repair/apply.ts";
import { applyAsCaller } from "../repair/apply-as-caller.ts";
import { collect } from "../repair/collect.ts";
import { dryRun } from "../repair/dry-run.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

const TIMEOUT_SECONDS_DEFAULT = 120;
const TIMEOUT_SECONDS_MAX = 600;

interface Flags {
  readonly all?: boolean;
  readonly keyName?: KeyName;
  readonly rule?: readonly RuleId[];
  readonly apply?: boolean;
  readonly asCaller?: boolean;
  readonly yes?: boolean;
  readonly timeout: number;
}

export function addRepair(program: Command, act: Act): void {
  const command = program
    .command("repair")
    .description(
      "show what would put open findings right, and with --apply have it done; never more than a limit at once",
    )
    .argument("[tenantId]", "the findings of this tenant", identifier(parseTenantId))
    .option("--all", "those of every tenant, and of the stage")
    .option("--key-name <name>", "with a tenantId: only of this key", identifier(parseKeyName))
    .addOption(new Option("--rule <rule...>", "only findings of these rules").choices(RULE_IDS))
    .option("--apply", "do it: by the worker, asked for in your name")
    .option("--as-caller", "what the worker has no right to, with your own credentials")
    .option(
      "--timeout <seconds>",
      "how long each key is waited for",
      wholeNumber(1, TIMEOUT_SECONDS_MAX),
      TIMEOUT_SECONDS_DEFAULT,
    );
  withYes(command).action(async (tenantId: TenantId | undefined, flags: Flags) => {
    if ((tenantId === undefined) !== (flags.all === true)) throw new UsageError("expected either a tenantId or --all");
    if (tenantId === undefined && flags.keyName !== undefined) throw new UsageError("--key-name: not with --all");
    const { keyName, rule: rules = [], asCaller = false, yes } = flags;
    await act(async (session) => {
      const collected = await collect(session, { tenantId, keyName, rules, asCaller });
      if (flags.apply !== true) return dryRun(session, collected);
      if (asCaller) return applyAsCaller(session, collected, yes);
      return apply(session, collected, { yes, timeoutMs: flags.timeout * 1000 });
    });
  });
  addExamples(command, [
    "tenantkeys repair acme",
    "tenantkeys repair acme --key-name payroll --rule rotation-off --apply",
    "tenantkeys repair --all --rule orphan-alias orphan-role --as-caller --apply",
  ]);
}
