import { expect, test } from "vitest";
import { CANARY_TENANT_IDS } from "../canary.ts";
import { parseStage } from "../ids.ts";
import { refuseSender } from "./event-senders.ts";

const DEV = parseStage("dev");
const sentBy = (event: Parameters<typeof refuseSender>[0], functionName: string) =>
  refuseSender(event, `AROAFUNCTIONEXAMPLE:tenantkeys-${functionName}`, DEV);

test.each(CANARY_TENANT_IDS)("%s is signed up by this stage's canary, and by that of no other", (tenantId) => {
  const event = { type: "TenantSignedUp", tenantId };
  expect(() => sentBy(event, "dev-canary")).not.toThrow();
  expect(() => sentBy(event, "dev2-canary")).toThrow(expect.objectContaining({ code: "tenant_id_reserved" }));
  expect(() => sentBy(event, "dev-sweep")).toThrow(expect.objectContaining({ code: "sender_refused" }));
});
