import { DeployError } from "./deploy-error.ts";
import type { ResourceRequest } from "./resource-provider.ts";

/**
 * How one Pulumi input becomes a parameter of an AWS call. Every input has to be named by its rule:
 * one that isn't is refused, because an input dropped in silence would make the local AWS weaker than the real one.
 */
type InputRule<Name extends string> =
  | Name
  | { readonly to: Name; readonly convert: (value: unknown, path: string) => unknown }
  /** The resource's own code passes it on, by another call or as a part of another parameter. */
  | { readonly handled: true }
  /** Of no effect on a local AWS that is thrown away; `ignored` says why. */
  | { readonly ignored: string };

/** Rules by input name; each names a parameter of `Target`. */
export type InputRules<Target> = Readonly<Record<string, InputRule<keyof Target & string>>>;

type AnyRules = Readonly<Record<string, InputRule<string>>>;

interface Conversion<Name extends string> {
  readonly to: Name;
  readonly convert: (value: unknown, path: string) => unknown;
}

export const HANDLED = { handled: true } as const;

export function ignored(because: string): { readonly ignored: string } {
  return { ignored: because };
}

/** The Region is the endpoint's: every client is made for it. */
export const REGION_IGNORED = ignored("the local AWS has one Region, the clients' own");

/** A nested block, its fields under rules of their own. */
export function block<Name extends string>(to: Name, rules: AnyRules): Conversion<Name> {
  return { to, convert: (value, path) => translateObject(asRecord(value, path), rules, path) };
}

/** A list of nested blocks. */
export function blocks<Name extends string>(to: Name, rules: AnyRules): Conversion<Name> {
  return {
    to,
    convert: (value, path) =>
      asList(value, path).map((item, index) => translateObject(asRecord(item, path), rules, `${path}[${index}]`)),
  };
}

/** A document that may be given as JSON text or as an object. */
export function json<Name extends string>(to: Name): Conversion<Name> {
  return { to, convert: jsonText };
}

/** Tags, or dimensions, as the list `[{ Key, Value }]` that most services take. */
export function tags<Name extends string>(to: Name): Conversion<Name> {
  return { to, convert: (value, path) => tagList(asRecord(value, path)) };
}

/** A number or boolean that AWS wants as text, such as a queue's attributes. */
export function text<Name extends string>(to: Name): Conversion<Name> {
  return { to, convert: jsonText };
}

/**
 * A resource's inputs as parameters of an AWS call; absent inputs stay absent.
 * @throws DeployError `input_unsupported` for an input without a rule.
 */
export function translateInputs<Target>(request: ResourceRequest, rules: InputRules<Target>): Partial<Target> {
  return translateObject(request.inputs, rules, `${request.type} ${request.name}`) as Partial<Target>;
}

function translateObject(
  values: Readonly<Record<string, unknown>>,
  rules: AnyRules,
  path: string,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === null) continue;
    const rule = rules[name];
    if (rule === undefined || !Object.hasOwn(rules, name)) throw unsupportedInput(`${path}.${name}`, value);
    if (typeof rule === "string") result[rule] = value;
    else if ("to" in rule) result[rule.to] = rule.convert(value, `${path}.${name}`);
  }
  return result;
}

export function unsupportedInput(path: string, value: unknown): DeployError {
  return new DeployError(
    "input_unsupported",
    `${path} = ${JSON.stringify(value)?.slice(0, 120)}: the local deploy doesn't know how to pass this input on. ` +
      `Add a rule for it in packages/local/src/deploy/resources/, or leave it out of the stack.`,
  );
}

export function asRecord(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrongShape(path, "an object", value);
  return value as Readonly<Record<string, unknown>>;
}

export function asList(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrongShape(path, "a list", value);
  return value;
}

function wrongShape(path: string, expected: string, value: unknown): DeployError {
  return new DeployError("input_unsupported", `${path}: expected ${expected}, got ${JSON.stringify(value)}.`);
}

/** @throws DeployError `input_unsupported` where the text input is absent or empty. */
export function requiredText(request: ResourceRequest, input: string): string {
  const value = request.inputs[input];
  if (typeof value === "string" && value !== "") return value;
  throw wrongShape(`${request.type} ${request.name}.${input}`, "text", value);
}

/** The physical name: the `name` input, or the logical name where the program leaves naming to Pulumi. */
export function physicalName(request: ResourceRequest): string {
  const name = request.inputs.name;
  return typeof name === "string" && name !== "" ? name : request.name;
}

export function tagList(values: Readonly<Record<string, unknown>>): { Key: string; Value: string }[] {
  return Object.entries(values).map(([Key, value]) => ({ Key, Value: String(value) }));
}

export function jsonText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
