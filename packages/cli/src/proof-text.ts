/** A proof for people: few lines where it holds, and in full what breaks it. */
import type { LiveProof, Proven, Tried } from "@tenantkeys/aws";
import { type Breach, breachesFor, type KeyProof, type Proof, type StageContext } from "@tenantkeys/core";
import { countText, plainText, timeText } from "./plain-text.ts";
import { textTable } from "./text-table.ts";

/** What breaks one key often breaks them all: the first are enough to act on, and --json has the rest. */
const SHOWN_MAX = 20;
const NAMES_SHOWN_MAX = 10;
const DOCUMENT_CHARACTERS_MAX = 2_000;

/** What was proven, and when. */
export interface ProofOf extends Pick<StageContext, "stage" | "accountId" | "region"> {
  readonly provenAtMs: number;
}

export function proofText(about: ProofOf, { proof }: Proven, live: LiveProof | undefined): string {
  const broken = proof.keys.filter(({ verdict }) => verdict === "broken");
  const unproven = proof.keys.filter(({ unproven: reasons }) => reasons.length > 0);
  return [
    staticTable(proof),
    ...(live === undefined ? [] : [liveTable(live)]),
    ...shown(broken, brokenLines),
    ...(live === undefined ? [] : shown(live.alarms, (alarm) => alarmLines(proof, alarm))),
    ...(live === undefined ? [] : shown(live.failures, failureLines)),
    ...shown(unproven, unprovenLines),
    ...(live === undefined ? [] : shown(live.notTried, notTriedLines)),
    ...shown(remarksOf(proof), (remark) => [`remark: ${remark}`]),
    text([summary(proof, live), aboutText(about)]),
  ].join("\n");
}

/** Statements and names are somebody else's text. */
function text(lines: readonly string[]): string {
  return `${lines.map(plainText).join("\n")}\n`;
}

function shown<T>(items: readonly T[], linesOf: (item: T) => readonly string[]): readonly string[] {
  const more = items.length - SHOWN_MAX;
  const first = items.slice(0, SHOWN_MAX).map((item) => text(linesOf(item)));
  return more > 0 ? [...first, text([`and ${more} more; --json has all`])] : first;
}

function aboutText({ stage, accountId, region, provenAtMs }: ProofOf): string {
  return `stage ${stage} in account ${accountId}, ${region}, at ${timeText(provenAtMs)}`;
}

function staticTable({ counts }: Proof): string {
  const { ownAllowed, ownShut, ownUnknown, pairsRefused, pairsBroken, pairsNotProven } = counts;
  return textTable(
    ["BY THE DOCUMENTS", "PAIRS", "ALLOWED", "REFUSED", "NOT PROVEN"],
    [
      ["a tenant's own key", ownAllowed + ownShut + ownUnknown, ownAllowed, ownShut, ownUnknown],
      ["another tenant's key", pairsRefused + pairsBroken + pairsNotProven, pairsBroken, pairsRefused, pairsNotProven],
    ],
  );
}

function liveTable({ parts }: LiveProof): string {
  return textTable(
    ["TRIED LIVE", "OWN: WORKS", "SHUT", "FAILED", "OTHERS': REFUSED", "WORKS", "NOT TRIED"],
    parts.map(({ attempt, own, others }) => [
      attempt,
      own.worked,
      own.shut,
      own.failed,
      others.refused,
      others.worked,
      own.notTried + others.notTried,
    ]),
  );
}

function brokenLines({ tenantId, keyName, keyArn, breaches, openTo }: KeyProof): readonly string[] {
  const open = openTo.length === 0 ? "open to no other tenant's session" : `open to ${named(openTo)}`;
  return [
    `BROKEN: ${tenantId}/${keyName} ${keyArn}`,
    `  ${open}`,
    ...breaches.flatMap((breach) => breachLines(breach).map((line) => `  ${line}`)),
  ];
}

function breachLines(breach: Breach): readonly string[] {
  const { resource, kind, reason, document, letsIn } = breach;
  const whose = kind === "trust-policy" ? ` ${resource}` : "";
  return [`${placeText(breach)}${whose}: ${reason}`, `  lets in ${named(letsIn)}`, `  ${documentText(document)}`];
}

const PLACES = { "key-policy": "the key's policy", "trust-policy": "the trust policy of the role" } as const;

function placeText({ kind, statement }: Breach): string {
  return kind === "grant" ? `grant ${statement}` : `statement ${statement} of ${PLACES[kind]}`;
}

function documentText(document: unknown): string {
  const json = JSON.stringify(document) ?? "";
  return json.length <= DOCUMENT_CHARACTERS_MAX ? json : `${json.slice(0, DOCUMENT_CHARACTERS_MAX - 1)}…`;
}

function alarmLines(proof: Proof, alarm: Tried): readonly string[] {
  const places = breachesFor(proof, alarm.session, alarm.resource).map(placeText);
  const why =
    places.length === 0
      ? "and the documents look contained: take this for the worst"
      : `as ${places.join(" and ")} ${places.length === 1 ? "lets" : "let"} it`;
  return [`WORKED LIVE: ${triedText(alarm)}`, `  ${why}`];
}

function failureLines({ error, ...tried }: LiveProof["failures"][number]): readonly string[] {
  return [`FAILED LIVE: ${triedText(tried)}`, `  ${error.message}`];
}

function triedText({ attempt, session, tenantId, keyName, resource }: Tried): string {
  const whose = keyName === undefined ? `the role of ${tenantId}` : `${tenantId}/${keyName}`;
  return `${attempt} by a session of ${session} on ${whose} ${resource}`;
}

function unprovenLines({ tenantId, keyName, keyArn, unproven }: KeyProof): readonly string[] {
  return [`not proven: ${tenantId}/${keyName} ${keyArn}: ${unproven.join("; ")}`];
}

function notTriedLines({ attempt, reason, count, example }: LiveProof["notTried"][number]): readonly string[] {
  return [`not tried: ${count} × ${attempt}: ${reason}`, `  such as ${triedText(example)}`];
}

function remarksOf({ keys, remarks }: Proof): readonly string[] {
  const ofKeys = keys.flatMap((key) => key.remarks.map((remark) => `${key.tenantId}/${key.keyName}: ${remark}`));
  return [...remarks.map(({ roleArn, remark }) => `${roleArn}: ${remark}`), ...ofKeys];
}

function named(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN_MAX;
  return [...names.slice(0, NAMES_SHOWN_MAX), ...(more > 0 ? [`and ${more} more`] : [])].join(", ");
}

function summary({ keys, counts }: Proof, live: LiveProof | undefined): string {
  const held = keys.filter(({ verdict }) => verdict === "contained").length;
  const broken = keys.filter(({ verdict }) => verdict === "broken").length;
  const verdicts = `${held} contained, ${broken} broken, ${counts.keys - held - broken} not proven`;
  const tried = live === undefined ? "" : `; ${live.pairs.tried} of ${countText(live.pairs.total, "pair")} tried live`;
  return `${countText(counts.tenants, "tenant")} with ${countText(counts.keys, "key")}: ${verdicts}${tried}`;
}
