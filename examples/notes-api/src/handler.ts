/** The notes API: one Lambda function behind an HTTP API with a JWT authorizer. */
import middy from "@middy/core";
import { createTenantKeys } from "@tenantkeys/client";
import { withTenant } from "@tenantkeys/client/middy";
import { answerErrors } from "./answer-errors.ts";
import { type NotesEvent, tenantOfToken } from "./http.ts";
import { route } from "./routes.ts";
import { readSettings } from "./settings.ts";

const settings = readSettings(process.env);
const { stage, region, recordMaxAgeSeconds } = settings;
const tenantKeys = createTenantKeys({ stage, region, recordMaxAgeSeconds, applicationName: "notes-api" });

export const handler = middy()
  .use(answerErrors())
  .use(withTenant<NotesEvent>({ tenantKeys, tenantId: tenantOfToken }))
  .handler(async (event: NotesEvent, { tenantKey }) => route(event, tenantKey, settings));
