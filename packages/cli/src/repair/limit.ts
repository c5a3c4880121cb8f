import { TenantKeysError } from "@tenantkeys/core";
import type { Session } from "../ports.ts";
import { limitOf } from "./collect.ts";

/** @throws TenantKeysError `repair_limit_reached`, before anything is asked or sent */
export async function refuseBeyondLimit(session: Session, count: number): Promise<void> {
  const limit = await limitOf(session, count);
  if (count <= limit) return;
  const message = `${count} would be put right, and one run puts ${limit} right at most: nothing was done`;
  throw new TenantKeysError("repair_limit_reached", message);
}
