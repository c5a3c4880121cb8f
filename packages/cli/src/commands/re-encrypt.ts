import type { ReEncryptReport, RunEnd } from "@tenantkeys/client/re-encrypt";
import {
  type KeyArn,
  type KeyName,
  type KeyRecord,
  parseKeyName,
  parseRoleArn,
  type RoleArn,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Command } from "commander";
import { knownTenant } from "../declare.ts";
import { withTenant } from "../event-options.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { keyOf } from "../key-of.ts";
import { identifier, keyNames, wholeNumber } from "../option-parsers.ts";
import { plainText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import type { TenantView } from "../wait-for-outcome.ts";
import { type Act, addExamples } from "./command.ts";

interface Flags {
  readonly keyName: KeyName;
  readonly fromKey?: readonly KeyName[];
  readonly bucket: string;
  readonly prefix: string;
  readonly cursor?: string;
  readonly dryRun?: boolean;
  readonly concurrency?: number;
  readonly pageObjects?: number;
  readonly movesMax?: number;
  readonly applicationRole?: RoleArn;
}

/** Shown to people; programs get all that the report lists. */
const SHOWN_MAX = 20;

async function reEncrypt(session: Session, tenantId: TenantId, flags: Flags): Promise<ExitCode> {
  const { operator, run, output, progress } = session;
  const { keyName, bucket, prefix, cursor, dryRun, concurrency, movesMax, pageObjects } = flags;
  const view = await knownTenant(session, tenantId);
  const key = activeKey(view, tenantId, keyName);
  const { applicationRole = operator.settings.applicationRoleArns[0] } = flags;
  if (applicationRole === undefined) throw new Error("parseStageSettings lets no stage be without an application");
  const from = (flags.fromKey ?? []).flatMap((name) => keysOf(keyOf(view, tenantId, name)));
  const to = { stage: operator.settings.stage, tenantId, keyName, keyArn: key.keyArn, decryptKeyArns: keysOf(key) };
  const report = await session.reEncryptObjects(
    () => operator.becomeTenant(run, { tenantId, roleArn: key.roleArn }, applicationRole),
    { bucket, prefix, to, from },
    {
      cursor: cursor === undefined ? undefined : session.fileCursor(cursor),
      dryRun,
      concurrency,
      movesMax,
      pageObjects,
      signal: run.signal,
      onProgress: ({ seen, moved, failed }) =>
        progress.update(`${seen} objects seen, ${moved} moved, ${failed} failed`),
    },
  );
  output.answer({ tenantId, keyName, keyArn: key.keyArn, bucket, prefix, ...report }, () => plainLines(report, cursor));
  return EXIT_OF_END[report.end] ?? (report.failed > 0 ? EXIT.differs : EXIT.done);
}

type ActiveKey = KeyRecord & { readonly keyArn: KeyArn; readonly roleArn: RoleArn };

function activeKey(view: TenantView, tenantId: TenantId, keyName: KeyName): ActiveKey {
  const key = keyOf(view, tenantId, keyName);
  const { keyArn, roleArn, state } = key;
  if (state === "active" && keyArn !== undefined && roleArn !== undefined) return { ...key, keyArn, roleArn };
  const message = `key "${keyName}" of tenant ${tenantId} is ${state}: nothing can be moved to it`;
  throw new TenantKeysError("key_not_active", message, { tenantId, keyName });
}

/** What the objects of this key may be under: S3 uses no replica of another Region. */
function keysOf({ keyArn, previousKeyArns = [] }: KeyRecord): readonly KeyArn[] {
  return [...(keyArn === undefined ? [] : [keyArn]), ...previousKeyArns];
}

/** Of an end with more to do. `complete` depends on what failed. */
const EXIT_OF_END: Readonly<Partial<Record<RunEnd, ExitCode>>> = {
  refused: EXIT.failed,
  "retries-max": EXIT.failed,
  "failures-max": EXIT.failed,
  "moves-max": EXIT.unknown,
  aborted: EXIT.unknown,
};

const TEXT_OF_END: Readonly<Record<RunEnd, string>> = {
  complete: "everything was looked at",
  refused: "stopped: the tenant may not work",
  "retries-max": "stopped: AWS went on failing",
  "failures-max": "stopped: too much failed",
  "moves-max": "stopped at --moves-max",
  aborted: "stopped: the command's time was over",
};

function plainLines(report: ReEncryptReport, cursor: string | undefined): string {
  const { seen, moved, skipped, failed, leftBehind, failures, leftBehindIds, dryRun, end, refusal } = report;
  const again = cursor === undefined ? "run it again" : "run it again with the same --cursor to go on";
  const lines = [
    `${TEXT_OF_END[end]}${end === "complete" ? "" : `; ${again}`}`,
    ...(refusal === undefined ? [] : [`  ${refusal.id}: ${refusal.code}: ${refusal.message}`]),
    `objects  ${seen} seen, ${moved} ${dryRun ? "to be moved (dry run: nothing was done)" : "moved"}, ${skipped} already there, ${failed} failed`,
    ...failures.slice(0, SHOWN_MAX).map(({ id, code, message }) => `  ${id}: ${code}: ${message}`),
    ...more(failed, Math.min(failures.length, SHOWN_MAX)),
    ...(leftBehind === 0
      ? []
      : [`versions ${leftBehind} ${dryRun ? "would stay" : "stay"} under the old key, which they need`]),
    ...leftBehindIds.slice(0, SHOWN_MAX).map((id) => `  ${id}`),
    ...more(leftBehind, Math.min(leftBehindIds.length, SHOWN_MAX)),
  ];
  return `${lines.map(plainText).join("\n")}\n`;
}

function more(all: number, shown: number): readonly string[] {
  return all > shown ? [`  and ${all - shown} more (the first 1,000 with --json)`] : [];
}

export function addReEncrypt(program: Command, act: Act): void {
  const command = withTenant(program.command("re-encrypt"))
    .description("move a tenant's S3 objects to the key that the tenant has now, in sessions of the tenant's role")
    .requiredOption("--bucket <name>", "the bucket")
    .requiredOption("--prefix <prefix>", "the tenant's objects, and nobody else's")
    .option("--key-name <name>", "the key to move to", identifier(parseKeyName), parseKeyName("default"))
    .option("--from-key <name>", "another key of the tenant to move from; may be given several times", keyNames)
    .option("--cursor <file>", "where the run keeps how far it is, to go on after a stop")
    .option("--dry-run", "say what would be moved, and move nothing")
    .option("--concurrency <n>", "objects at a time (default: 8)", wholeNumber(1, 100))
    .option("--page-objects <n>", "objects between two writes of the cursor (default: 200)", wholeNumber(1, 1_000))
    .option("--moves-max <n>", "stop after so many moves", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option("--application-role <arn>", "the application's role (default: the stage's first)", identifier(parseRoleArn))
    .action((tenantId: TenantId, flags: Flags) => act((session) => reEncrypt(session, tenantId, flags)));
  addExamples(command, [
    "tenantkeys re-encrypt acme --bucket notes --prefix acme/ --dry-run",
    "tenantkeys re-encrypt acme --bucket notes --prefix acme/ --cursor acme.json",
    "tenantkeys re-encrypt acme --bucket notes --prefix acme/ --key-name documents --from-key default --json",
  ]);
}
