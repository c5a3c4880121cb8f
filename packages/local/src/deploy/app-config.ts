import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { DeployError } from "./deploy-error.ts";

/** `$app`: what `app()` of sst.config.ts says, with the defaults that SST fills in. */
export interface AppConfig {
  readonly name: string;
  readonly stage: string;
  readonly removal: "remove" | "retain" | "retain-all";
  readonly protect: boolean;
  readonly home: string;
  readonly providers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

interface AppResult {
  readonly name?: string;
  readonly removal?: AppConfig["removal"];
  readonly protect?: boolean;
  readonly home?: string;
  readonly providers?: Readonly<Record<string, string | boolean | Readonly<Record<string, unknown>>>>;
}

/** SST refuses imports at the top of sst.config.ts; the stacks are imported inside of run(). */
export const REFUSE_TOP_LEVEL_IMPORTS: Plugin = {
  name: "refuse-top-level-imports",
  setup({ onResolve }) {
    onResolve({ filter: /.*/ }, ({ importer, kind }) =>
      kind === "import-statement" && importer.endsWith("sst.config.ts")
        ? {
            errors: [
              { text: 'SST refuses imports at the top of sst.config.ts: use await import("./stacks/…") in run().' },
            ],
          }
        : undefined,
    );
  },
};

const LEAVE_DYNAMIC_IMPORTS: Plugin = {
  name: "leave-dynamic-imports",
  setup({ onResolve }) {
    onResolve({ filter: /.*/ }, ({ path, kind }) => (kind === "dynamic-import" ? { path, external: true } : undefined));
  },
};

/**
 * Evaluates `app()` of the project's sst.config.ts, without its stacks.
 * @throws DeployError `stacks_invalid` where sst.config.ts can't be read or names no app.
 */
export async function loadAppConfig(projectRoot: string, stage: string): Promise<AppConfig> {
  try {
    const { outputFiles } = await build({
      entryPoints: [join(projectRoot, "sst.config.ts")],
      bundle: true,
      write: false,
      logLevel: "silent",
      platform: "node",
      format: "esm",
      banner: { js: "const $config = (config) => config;" },
      plugins: [REFUSE_TOP_LEVEL_IMPORTS, LEAVE_DYNAMIC_IMPORTS],
    });
    const code = Buffer.from(outputFiles[0]?.contents ?? "").toString("base64");
    const module = (await import(`data:text/javascript;base64,${code}`)) as {
      readonly default: { app(input: { readonly stage: string }): AppResult | Promise<AppResult> };
    };
    return completeConfig(await module.default.app({ stage }), stage);
  } catch (error) {
    if (error instanceof DeployError) throw error;
    throw new DeployError("stacks_invalid", `${join(projectRoot, "sst.config.ts")} can't be evaluated`, error);
  }
}

function completeConfig(app: AppResult, stage: string): AppConfig {
  if (!app.name) throw new DeployError("stacks_invalid", "app() in sst.config.ts gives no name.");
  const home = app.home ?? "aws";
  const providers = Object.entries({ ...(home !== "local" && { [home]: {} }), ...app.providers }).map(
    ([name, settings]) => [name, providerSettings(settings)] as const,
  );
  return {
    name: app.name,
    stage,
    removal: app.removal ?? "retain",
    protect: app.protect ?? false,
    home,
    providers: Object.fromEntries(providers),
  };
}

function providerSettings(settings: string | boolean | Readonly<Record<string, unknown>>) {
  if (typeof settings === "string") return { version: settings };
  return typeof settings === "boolean" ? {} : settings;
}
