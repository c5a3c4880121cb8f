import { approvalsOf, type Register, type TenantRecord } from "@tenantkeys/core";
import { fieldLines } from "./field-lines.ts";
import { timeText } from "./plain-text.ts";

/** What is declared of a tenant, for people: only what is or was something else than usual. */
export function tenantText(tenant: TenantRecord): string {
  const { suspension, leaving, hold } = tenant;
  return fieldLines([
    ["tenant", tenant.tenantId],
    ["suspended", suspension && registerText(suspension)],
    ["leaving", leaving && registerText(leaving)],
    ["leaving, gen.", leaving?.value === true ? leaving.generation : undefined],
    ...approvalsOf(tenant).map(({ atMs, by }) => ["approved", `${timeText(atMs)} by ${by}`] as const),
    ["legal hold", hold && registerText(hold)],
  ]);
}

function registerText({ value, atMs, by, reason }: Register): string {
  const who = by === undefined ? "by nobody that AWS named" : `by ${by}`;
  return [`${value ? "yes" : "no"}, since ${timeText(atMs)} ${who}`, ...(reason === undefined ? [] : [reason])].join(
    ": ",
  );
}
