/// <reference path="./.sst/platform/config.d.ts" />

// The app: its name, its stages and what may not be removed. What it is made of is in stacks/.
export default $config({
  app(input) {
    const production = input.stage === "production";
    return {
      name: "tenantkeys",
      home: "aws",
      // `protect` refuses to remove production by accident. What must outlive any stage, the registry, the two roles and
      // the boundary, is kept one by one (stacks/retained.ts); tenants' keys belong to no stack at all.
      protect: production,
      removal: production ? "retain" : "remove",
      providers: { aws: { version: "7.20.0" } },
    };
  },
  async run() {
    const { outputs } = await import("./stacks/main.ts");
    return outputs;
  },
});
