/** A stage of the real stacks program, recorded: which resources it declares, with which inputs. Nothing is made. */
import type { PolicyDocument, PolicyStatement, StageSettingsInput } from "@tenantkeys/core";
import { PROJECT_ROOT } from "@tenantkeys/local";
import { recordStacks } from "../../packages/local/src/deploy/record-stacks.ts";
import type { StackResource } from "../../packages/local/src/deploy/resource-provider.ts";
import { ensureSstPlatform } from "../../packages/local/src/deploy/sst-platform.ts";

export const ACCOUNT_ID = "111122223333";
export const REGION = "eu-west-1";

const SETTINGS = {
  applicationRoleArns: [`arn:aws:iam::${ACCOUNT_ID}:role/app`],
  administratorRoleArns: [`arn:aws:iam::${ACCOUNT_ID}:role/security-on-call`],
};

export interface StageChange {
  readonly stage?: string;
  readonly settings?: Partial<Omit<StageSettingsInput, "stage">>;
  readonly existingArns?: readonly string[];
  /** On top of the settings, for what the program starts. */
  readonly env?: Readonly<Record<string, string>>;
}

/** @throws DeployError where the program stops */
export async function recordStage(change: StageChange = {}): Promise<RecordedStage> {
  const { stage = "dev", settings, existingArns = [], env: more } = change;
  await ensureSstPlatform({ projectRoot: PROJECT_ROOT });
  const env = { TENANTKEYS_STAGE_SETTINGS: JSON.stringify({ ...SETTINGS, ...settings }), ...more };
  return new RecordedStage(await recordStacks({ projectRoot: PROJECT_ROOT, stage, env, existingArns }));
}

export class RecordedStage {
  readonly resources: readonly StackResource[];

  constructor(resources: readonly StackResource[]) {
    this.resources = resources;
  }

  ofType(type: string): readonly StackResource[] {
    return this.resources.filter((resource) => resource.type === `aws:${type}`);
  }

  /** The one resource of this type, or the one whose physical name ends so. */
  one(type: string, nameEnd = ""): StackResource {
    const found = this.ofType(type).filter(({ inputs }) => nameEnd === "" || String(inputs.name).endsWith(nameEnd));
    if (found.length !== 1 || found[0] === undefined) {
      throw new Error(`${found.length} resources are aws:${type} ${nameEnd}: ${found.map(({ name }) => name).join()}`);
    }
    return found[0];
  }

  /** The one resource of this type that has these inputs. */
  where(type: string, wanted: Readonly<Record<string, unknown>>): StackResource {
    const found = this.ofType(type).filter(({ inputs }) =>
      Object.entries(wanted).every(([input, value]) => inputs[input] === value),
    );
    if (found.length === 1 && found[0] !== undefined) return found[0];
    throw new Error(`${found.length} resources are aws:${type} with ${JSON.stringify(wanted)}`);
  }

  /** Every policy document of the stage, by the name of what holds it. */
  documents(): ReadonlyMap<string, PolicyDocument> {
    const documents = new Map<string, PolicyDocument>();
    for (const { type, name, inputs } of this.resources) {
      for (const field of ["policy", "assumeRolePolicy"]) {
        if (typeof inputs[field] === "string")
          documents.set(`${physicalName(name, inputs)} ${field}`, parse(inputs[field]));
      }
      if (type !== "aws:iam/role:Role") continue;
      const inline = (inputs.inlinePolicies ?? []) as readonly { readonly name: string; readonly policy: string }[];
      for (const policy of inline)
        documents.set(`${physicalName(name, inputs)} inline ${policy.name}`, parse(policy.policy));
    }
    return documents;
  }

  statements(document: string): readonly PolicyStatement[] {
    const found = this.documents().get(document);
    if (found === undefined) throw new Error(`no ${document} among: ${[...this.documents().keys()].join(", ")}`);
    return found.Statement;
  }
}

function physicalName(logicalName: string, inputs: Readonly<Record<string, unknown>>): string {
  return typeof inputs.name === "string" ? inputs.name : logicalName;
}

function parse(text: string): PolicyDocument {
  return JSON.parse(text) as PolicyDocument;
}

export function asList<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value as T];
}
