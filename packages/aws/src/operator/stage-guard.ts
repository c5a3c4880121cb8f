/** Keeps an event out of every stage but its own: a staging sign-up replayed into production would make a key there. */
import { type StageContext, TenantKeysError } from "@tenantkeys/core";

/** An event as far as it says where it belongs: by name in its detail, by account and Region where it came over a bus. */
export interface PlacedEvent {
  readonly account?: unknown;
  readonly region?: unknown;
  readonly detail?: unknown;
}

export type StagePlace = Pick<StageContext, "stage" | "accountId" | "region">;

/** @returns a `stage_mismatch` that names both, or undefined where nothing says that the event is another stage's */
export function stageMismatch(event: PlacedEvent, place: StagePlace): TenantKeysError | undefined {
  const stage = stageOf(event);
  const here = `stage "${place.stage}" in account ${place.accountId}, ${place.region}`;
  if (stage !== undefined && stage !== place.stage) {
    return mismatch(
      `the event is meant for stage "${String(stage).slice(0, 80)}", and this is ${here}`,
      "detail.stage",
    );
  }
  const account = event.account ?? place.accountId;
  const region = event.region ?? place.region;
  if (account === place.accountId && region === place.region) return undefined;
  const there = `account ${String(account).slice(0, 80)}, ${String(region).slice(0, 80)}`;
  const field = account === place.accountId ? "region" : "account";
  return mismatch(`the event came over a bus of ${there}, and this is ${here}`, field);
}

/** The event as one that was meant for this stage. Only where a person said so. */
export function forceStage<Event extends PlacedEvent>(event: Event, place: StagePlace): Event {
  const { accountId, region, stage } = place;
  const moved = {
    ...event,
    ...(event.account === undefined ? {} : { account: accountId }),
    ...(event.region === undefined ? {} : { region }),
  };
  return stageOf(event) === undefined ? moved : { ...moved, detail: { ...(event.detail as object), stage } };
}

function stageOf({ detail }: PlacedEvent): unknown {
  return typeof detail === "object" && detail !== null && "stage" in detail ? detail.stage : undefined;
}

function mismatch(message: string, field: string): TenantKeysError {
  return new TenantKeysError("stage_mismatch", message, { field, step: "replay" });
}
