/** The stage being deployed: its settings, its account and Region, and the names that follow from them. */
import { parseAccountId, parseRegion, stageArns, stageContext, stageNames } from "@tenantkeys/core";
import { settingsOf } from "./stages.ts";
import { validatePolicies } from "./validate-policies.ts";

export const settings = settingsOf($app.stage, process.env.TENANTKEYS_STAGE_SETTINGS);

const identity = await aws.getCallerIdentity({});
const here = await aws.getRegion({});

export const accountId = parseAccountId(identity.accountId);
export const region = parseRegion(here.region);
export const context = stageContext(settings, accountId, region);
export const names = stageNames(settings.stage);
export const arns = stageArns(accountId, region, settings.stage);

// Every other file takes the stage from here, so nothing is declared before this.
await validatePolicies(settings, accountId, region);
