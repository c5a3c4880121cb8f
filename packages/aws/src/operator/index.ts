export * from "./assume-role.ts";
export * from "./dead-letters.ts";
export * from "./list-keys.ts";
export * from "./operator.ts";
export * from "./plan-tenant.ts";
export * from "./publish-sign-ups.ts";
export * from "./refused-events.ts";
export * from "./stage-settings-item.ts";
