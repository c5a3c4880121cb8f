/** Declares something of a tenant that the registry knows: sends the event, and waits for what becomes of it where asked to. */
import type { BusEvent, PublishOutcome } from "@tenantkeys/aws";
import { type EventDetail, type TenantEventType, type TenantId, TenantKeysError } from "@tenantkeys/core";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { keyTable } from "./key-table.ts";
import type { SentEvent } from "./outcomes.ts";
import type { Session } from "./ports.ts";
import { tenantText } from "./tenant-text.ts";
import { type Awaited, readTenant, type TenantView, type WaitResult, waitForOutcome } from "./wait-for-outcome.ts";

/** The source of the applications' own events, which every stage takes unless its settings say otherwise. */
export const EVENT_SOURCE = "tenantkeys.application";

/** The options that every such command has. */
export interface EventFlags {
  readonly generation?: number;
  readonly wait?: boolean;
  readonly timeout: number;
}

type SaidByAll = "version" | "tenantId" | "generation" | "stage";

export interface Declaration<Type extends TenantEventType> {
  readonly tenantId: TenantId;
  readonly type: Type;
  readonly detail: Omit<EventDetail<Type>, SaidByAll>;
  /** `queue`: straight to the worker, so that AWS says who sent it. */
  readonly via: "bus" | "queue";
  readonly flags: EventFlags;
  /** What the sent event is called in answers, such as "suspension". */
  readonly name: string;
  outcome(sent: SentEvent): Pick<Awaited, "endOf" | "describe">;
}

/** @throws TenantKeysError `tenant_unknown` */
export async function knownTenant(session: Session, tenantId: TenantId): Promise<TenantView> {
  const view = await readTenant(session, tenantId);
  if (view.tenant !== undefined || view.keys.length > 0) return view;
  const message = `stage "${session.operator.settings.stage}" knows no tenant ${tenantId}`;
  throw new TenantKeysError("tenant_unknown", message, { tenantId });
}

export async function declare<Type extends TenantEventType>(
  session: Session,
  declaration: Declaration<Type>,
): Promise<ExitCode> {
  const { output, run } = session;
  const { tenantId, flags, type, name } = declaration;
  const generation = flags.generation ?? run.clock.nowMs();
  const [outcome] = await send(session, declaration.via, eventOf(session, declaration, generation));
  if (outcome?.kind !== "accepted") return sayUnsent(session, tenantId, outcome);
  const sent = { tenantId, eventId: outcome.eventId, generation };
  const about = { tenantId, event: type, eventId: sent.eventId, generation };
  if (flags.wait !== true) {
    output.answer(about, () => `sent the ${name} of ${tenantId} as event ${sent.eventId}, generation ${generation}\n`);
    return EXIT.done;
  }
  const awaited = { tenantId, eventId: sent.eventId, ...declaration.outcome(sent) };
  const result = await waitForOutcome(session, awaited, flags.timeout * 1000);
  output.answer({ ...about, ...result }, () => viewText(result));
  return sayEnd(session, tenantId, result, flags.timeout);
}

function eventOf<Type extends TenantEventType>(
  { operator }: Session,
  { tenantId, type, detail }: Declaration<Type>,
  generation: number,
): BusEvent {
  const { stage } = operator.settings;
  return {
    source: EVENT_SOURCE,
    "detail-type": type,
    detail: { version: "1", tenantId, stage, generation, ...detail },
  };
}

function send({ operator, run }: Session, via: "bus" | "queue", event: BusEvent) {
  return via === "queue" ? operator.sendToQueue(run, [event]) : operator.publish(run, [event], { keepRefused: true });
}

/** An event that AWS didn't take. One that the bus could never deliver is kept, and is a refusal. */
export function sayUnsent({ output }: Session, tenantId: TenantId, outcome: PublishOutcome | undefined): ExitCode {
  if (outcome?.kind === "accepted") return EXIT.done;
  const error = outcome?.error ?? new TenantKeysError("publish_failed", "no answer for the event");
  output.error(error.within({ tenantId }));
  return outcome?.kind === "refused" ? EXIT.differs : EXIT.failed;
}

function viewText({ tenant, keys }: TenantView): string {
  const declared = tenant === undefined ? "" : tenantText(tenant);
  return declared + (keys.length === 0 ? "" : keyTable(keys));
}

/** Says what a wait ended with, where that isn't that all is done. */
export function sayEnd(session: Session, tenantId: TenantId, result: WaitResult, timeoutSeconds: number): ExitCode {
  const { output } = session;
  const see = `tenantkeys show ${tenantId}`;
  switch (result.end) {
    case "done":
      return EXIT.done;
    case "superseded":
      output.note(`nothing changed: a newer declaration of ${tenantId} is known; see ${see}`);
      return EXIT.differs;
    case "refused": {
      const reason = result.refused ?? result.keys.find((key) => key.failure !== undefined)?.failure;
      output.note(`refused: ${reason?.code}: ${reason?.message}`);
      output.note(`next: ${reason?.nextAction}`);
      return EXIT.differs;
    }
    case "timeout":
      for (const { keyName, failure } of result.keys) {
        if (failure !== undefined) output.note(`key ${keyName} failed last with ${failure.code}: ${failure.message}`);
      }
      output.note(`still under way after ${timeoutSeconds} s; nothing is lost: see ${see}`);
      return EXIT.failed;
  }
}
