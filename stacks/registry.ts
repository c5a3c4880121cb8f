/** The registry: one table per stage, which says whose key is whose. */

import { retained } from "./retained.ts";
import { context, names, settings } from "./stage.ts";

export const registry = new sst.aws.Dynamo("Registry", {
  fields: {
    pk: "string",
    sk: "string",
    review: "string",
    nextCheckAtMs: "number",
    keyArn: "string",
    openFinding: "string",
    firstSeenAtMs: "number",
  },
  primaryIndex: { hashKey: "pk", rangeKey: "sk" },
  globalIndexes: {
    // Only keys that wait for a time have both attributes, so only their writes pay for the index.
    review: { hashKey: "review", rangeKey: "nextCheckAtMs", projection: ["tenantId", "keyName"] },
    // Whose key an ARN is: CloudTrail's events name nothing else.
    keys: { hashKey: "keyArn", projection: ["tenantId", "keyName"] },
    // Only what is open is in it, whole: it is shown.
    findings: { hashKey: "openFinding", rangeKey: "firstSeenAtMs" },
  },
  deletionProtection: true,
  transform: {
    table: (table, options) => {
      table.name = names.registryTable;
      table.pointInTimeRecovery = { enabled: true };
      Object.assign(options, retained.registryTable);
    },
  },
});

/** What the stage was deployed with, for the command line: it plans with the same settings as the worker. */
export const deployedSettings = new aws.dynamodb.TableItem("StageSettings", {
  tableName: registry.name,
  hashKey: "pk",
  rangeKey: "sk",
  item: JSON.stringify({
    pk: { S: "STAGE" },
    sk: { S: "SETTINGS" },
    settings: { S: JSON.stringify(settings) },
    accountId: { S: context.accountId },
    region: { S: context.region },
  }),
});
