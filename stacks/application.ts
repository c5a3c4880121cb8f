/** The policy for the roles of tenants' applications, which work through `@tenantkeys/client`. */
import { applicationPolicy as document, SYSTEM_PATH } from "@tenantkeys/core";
import { accountId, names, region, settings } from "./stage.ts";

/** To be attached to each of the settings' `applicationRoleArns`. */
export const applicationPolicy = new aws.iam.Policy("Application", {
  name: names.applicationPolicy,
  path: SYSTEM_PATH,
  description: "tenantkeys: what a tenant application needs to work as its tenants",
  policy: JSON.stringify(document(accountId, region, settings.stage)),
});
