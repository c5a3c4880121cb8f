/**
 * Random changes of a policy document: what people write by mistake, what somebody writes on purpose, and what no policy
 * has. Each takes the document as plain JSON and changes it in place; the names say what was changed.
 */
import {
  ACCOUNT,
  ACTIONS,
  KEYS,
  OPERATORS,
  OTHER_KINDS,
  PRINCIPALS,
  QUALIFIERS,
  RESOURCES,
  VALUES,
} from "./mutation-values.ts";
import type { Random } from "./random.ts";

export type Json = Record<string, unknown>;
type Change = (statement: Json, random: Random, document: Json) => void;

const list = (value: unknown): unknown[] => (value === undefined ? [] : [value].flat());
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const someOf = (random: Random, items: readonly unknown[]): unknown => {
  const taken = random.some(items, 1 + random.below(3));
  return taken.length === 1 && random.below(2) === 0 ? taken[0] : [...taken];
};
const principalsOf = (statement: Json): unknown[] =>
  isObject(statement.Principal) ? list(statement.Principal.AWS) : [];
const operator = (random: Random): string => {
  const qualifier = random.oneOf(QUALIFIERS);
  const name = random.oneOf(OPERATORS);
  return qualifier === "IfExists" ? `${name}IfExists` : `${qualifier}${name}`;
};
const conditionOf = (statement: Json): Json => (isObject(statement.Condition) ? statement.Condition : {});
/** One comparison of the condition, at random: its operator, key and value. */
const comparison = (statement: Json, random: Random): readonly [Json, string, string] | undefined => {
  const condition = conditionOf(statement);
  const operators = Object.keys(condition).filter((one) => isObject(condition[one]));
  if (operators.length === 0) return undefined;
  const chosen = random.oneOf(operators);
  const keys = Object.keys(condition[chosen] as Json);
  return keys.length === 0 ? undefined : [condition, chosen, random.oneOf(keys)];
};
const replaceOperator = (statement: Json, random: Random, change: (name: string) => string) => {
  const found = comparison(statement, random);
  if (found === undefined) return;
  const [condition, name] = found;
  const pairs = condition[name];
  delete condition[name];
  condition[change(name)] = pairs;
};
const replaceValue = (statement: Json, random: Random, change: (value: unknown) => unknown) => {
  const found = comparison(statement, random);
  if (found === undefined) return;
  const [condition, name, key] = found;
  const pairs = condition[name] as Json;
  pairs[key] = change(pairs[key]);
};
/** The same in other words: lists and fields in another order, a list of one as its element and the other way round. */
const respelled = (value: unknown, random: Random): unknown => {
  if (Array.isArray(value)) return value.length === 1 ? value[0] : [...random.some(value, value.length)];
  if (!isObject(value)) return typeof value === "string" && random.below(2) === 0 ? [value] : value;
  const fields = random.some(Object.entries(value), 20);
  return Object.fromEntries(fields.map(([name, item]) => [name, respelled(item, random)]));
};
const statements = (document: Json): Json[] => list(document.Statement).filter(isObject);
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value));

/** Changes of one statement. */
const STATEMENT_CHANGES: Readonly<Record<string, Change>> = {
  "another effect": (statement, random) => {
    statement.Effect = random.oneOf(["Allow", "Deny", "Allow", "Deny", "Allow", "Deny", "allow", "Maybe", ["Allow"]]);
  },
  "no effect": (statement) => delete statement.Effect,
  "another principal": (statement, random) => {
    statement.Principal = { AWS: someOf(random, PRINCIPALS) };
  },
  "one principal more": (statement, random) => {
    statement.Principal = { AWS: [...principalsOf(statement), random.oneOf(PRINCIPALS)] };
  },
  "a principal less": (statement, random) => {
    statement.Principal = { AWS: principalsOf(statement).filter(() => random.below(2) === 0) };
  },
  everybody: (statement, random) => {
    statement.Principal = random.oneOf<unknown>(["*", { AWS: "*" }, { AWS: ["*"] }, [{ AWS: "*" }]]);
  },
  "a principal of another kind": (statement, random) => {
    const other = copy(random.oneOf(OTHER_KINDS));
    statement.Principal =
      random.below(2) === 0 && isObject(statement.Principal) ? { ...statement.Principal, ...other } : other;
  },
  "a principal as text": (statement, random) => {
    statement.Principal = random.oneOf(PRINCIPALS);
  },
  NotPrincipal: (statement, random) => {
    statement.NotPrincipal = { AWS: someOf(random, PRINCIPALS) };
    if (random.below(4) > 0) delete statement.Principal;
  },
  "no principal": (statement) => delete statement.Principal,
  "a principal in a list of lists": (statement) => {
    statement.Principal = { AWS: [principalsOf(statement)] };
  },
  "another tenant's name": (statement) => {
    Object.assign(statement, JSON.parse(JSON.stringify(statement).replaceAll("acme", "globex")));
  },
  "another account's number": (statement) => {
    Object.assign(statement, JSON.parse(JSON.stringify(statement).replaceAll(ACCOUNT, "999988887777")));
  },
  "other letters' case": (statement, random) => {
    const upper = random.below(2) === 0;
    const turn = (value: unknown) =>
      typeof value === "string" ? (upper ? value.toUpperCase() : value.toLowerCase()) : value;
    if (random.below(2) === 0) statement.Action = list(statement.Action).map(turn);
    else statement.Principal = { AWS: principalsOf(statement).map(turn) };
  },
  "other actions": (statement, random) => {
    statement.Action = someOf(random, ACTIONS);
  },
  "one action more": (statement, random) => {
    statement.Action = [...list(statement.Action), random.oneOf(ACTIONS)];
  },
  "actions less": (statement, random) => {
    statement.Action = list(statement.Action).filter(() => random.below(3) > 0);
  },
  NotAction: (statement, random) => {
    statement.NotAction = someOf(random, [...list(statement.Action), ...ACTIONS]);
    if (random.below(4) > 0) delete statement.Action;
  },
  "no action": (statement) => delete statement.Action,
  "an action that is no text": (statement, random) => {
    statement.Action = [...list(statement.Action), random.oneOf<unknown>([7, null, true, {}, ["kms:*"]])];
  },
  "another resource": (statement, random) => {
    statement.Resource = someOf(random, RESOURCES);
  },
  NotResource: (statement, random) => {
    statement.NotResource = someOf(random, RESOURCES);
    if (random.below(4) > 0) delete statement.Resource;
  },
  "no resource": (statement) => delete statement.Resource,
  "no condition": (statement) => delete statement.Condition,
  "an empty condition": (statement, random) => {
    statement.Condition = random.oneOf<unknown>([{}, { StringEquals: {} }, null, [], "none"]);
  },
  "a condition": (statement, random) => {
    statement.Condition = { [operator(random)]: { [random.oneOf(KEYS)]: someOf(random, VALUES) } };
  },
  "one comparison more": (statement, random) => {
    const condition = conditionOf(statement);
    const name = random.below(2) === 0 ? (Object.keys(condition)[0] ?? operator(random)) : operator(random);
    statement.Condition = {
      ...condition,
      [name]: { ...(condition[name] as Json), [random.oneOf(KEYS)]: someOf(random, VALUES) },
    };
  },
  "a comparison less": (statement, random) => {
    const found = comparison(statement, random);
    if (found !== undefined) delete (found[0][found[1]] as Json)[found[2]];
  },
  IfExists: (statement, random) =>
    replaceOperator(statement, random, (name) => `${name.replace(/IfExists$/, "")}IfExists`),
  ForAllValues: (statement, random) => replaceOperator(statement, random, (name) => `ForAllValues:${name}`),
  ForAnyValue: (statement, random) => replaceOperator(statement, random, (name) => `ForAnyValue:${name}`),
  "another operator": (statement, random) => replaceOperator(statement, random, () => operator(random)),
  "a negated operator": (statement, random) =>
    replaceOperator(statement, random, (name) =>
      name.replace(/^(String|Arn|Numeric)(Not)?/, (_all, kind, not) => `${kind}${not ? "" : "Not"}`),
    ),
  "an operator that takes wildcards": (statement, random) =>
    replaceOperator(statement, random, (name) => name.replace(/Equals/, "Like")),
  "another condition key": (statement, random) => {
    const found = comparison(statement, random);
    if (found === undefined) return;
    const pairs = found[0][found[1]] as Json;
    const value = pairs[found[2]];
    delete pairs[found[2]];
    pairs[random.oneOf(KEYS)] = value;
  },
  "a condition key in other letters' case": (statement, random) => {
    const found = comparison(statement, random);
    if (found === undefined) return;
    const [condition, name, key] = found;
    (condition[name] as Json)[random.below(2) === 0 ? key.toUpperCase() : key.toLowerCase()] = someOf(random, VALUES);
  },
  "another value": (statement, random) => replaceValue(statement, random, () => someOf(random, VALUES)),
  "one value more": (statement, random) =>
    replaceValue(statement, random, (value) => [...list(value), random.oneOf(VALUES)]),
  "a value's text as another type": (statement, random) =>
    replaceValue(statement, random, (value) => (value === "true" ? true : value === "false" ? false : [value, value])),
  "a wildcard behind a value": (statement, random) =>
    replaceValue(statement, random, (value) => list(value).map((one) => `${String(one)}*`)),
  "an empty list of values": (statement, random) => replaceValue(statement, random, () => []),
  "a null for an element": (statement, random) => {
    statement[random.oneOf(Object.keys(statement).concat("Condition"))] = null;
  },
  "an unknown element": (statement, random) => {
    statement[random.oneOf(["Actions", "effect", "principal", "Comment", "__proto__x"])] = random.oneOf<unknown>([
      "Allow",
      "*",
      {},
    ]);
  },
  "a list of one for an element": (statement, random) => {
    const element = random.oneOf(Object.keys(statement).concat("Action"));
    statement[element] = [statement[element]];
  },
  "another spelling": (statement, random) => {
    for (const [name, value] of random.some(Object.entries(statement), 20)) {
      delete statement[name];
      statement[name] = respelled(value, random);
    }
  },
  "another Sid": (statement, random) => {
    statement.Sid = random.oneOf<unknown>(["UseByTenant", "BreakGlassByRootUser", "", 7, undefined]);
  },
};

/** Changes of the document. */
const DOCUMENT_CHANGES: Readonly<Record<string, (document: Json, random: Random) => void>> = {
  "a statement twice": (document, random) => {
    const all = statements(document);
    if (all.length > 0) document.Statement = [...all, copy(random.oneOf(all))];
  },
  "a statement less": (document, random) => {
    const all = statements(document);
    document.Statement = all.toSpliced(random.below(Math.max(1, all.length)), 1);
  },
  "statements in another order": (document, random) => {
    const all = statements(document);
    document.Statement = [...random.some(all, all.length)];
  },
  "two statements merged": (document, random) => {
    const [first, second] = random.some(statements(document), 2);
    if (first === undefined || second === undefined) return;
    const part = random.oneOf(["Principal", "Action", "Condition", "Resource"]);
    if (second[part] === undefined) delete first[part];
    else first[part] = copy(second[part]);
  },
  "a statement split by its actions": (document, random) => {
    const all = statements(document);
    if (all.length === 0) return;
    const chosen = random.oneOf(all);
    const actions = list(chosen.Action);
    const half = Math.ceil(actions.length / 2);
    const rest = copy({ ...chosen, Action: actions.slice(half) });
    chosen.Action = actions.slice(0, half);
    if ((rest.Action as unknown[]).length > 0) document.Statement = [...all, rest];
  },
  "a denial more": (document, random) => {
    const denial = {
      Sid: "Denial",
      Effect: "Deny",
      Principal: { AWS: "*" },
      Action: someOf(random, ACTIONS),
      Resource: "*",
    };
    document.Statement = [...statements(document), denial];
  },
  "a denial of all but some": (document, random) => {
    const denial = {
      Effect: "Deny",
      NotPrincipal: { AWS: someOf(random, PRINCIPALS) },
      Action: "kms:*",
      Resource: "*",
    };
    document.Statement = [denial, ...statements(document)];
  },
  "the account's root added": (document, random) => {
    const added = {
      Sid: "Enable IAM User Permissions",
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` },
      Action: random.oneOf<unknown>(["kms:*", "kms:Decrypt", ["kms:Describe*", "kms:List*"]]),
      Resource: "*",
    };
    document.Statement = [...statements(document), added];
  },
  "an older version": (document) => {
    document.Version = "2008-10-17";
  },
  "no version, or an unknown one": (document, random) => {
    if (random.below(2) === 0) delete document.Version;
    else document.Version = random.oneOf<unknown>(["2030-01-01", 2012, null]);
  },
  "an unknown element at the top": (document, random) => {
    document[random.oneOf(["Statements", "statement", "Comment"])] = "Allow";
  },
  "one statement as an object": (document, random) => {
    const all = statements(document);
    if (all.length > 0) document.Statement = random.oneOf(all);
  },
  "statements in a list of lists": (document) => {
    document.Statement = [statements(document)];
  },
  "a statement that is none": (document, random) => {
    document.Statement = [...statements(document), random.oneOf<unknown>([null, "Allow", 7, []])];
  },
};

export interface Mutant {
  readonly policy: Json;
  readonly changes: readonly string[];
}

/** Most documents with one of these are no policies any more, and say nothing about our check: they're made seldom. */
const SELDOM = new Set([
  "no effect",
  "a principal in a list of lists",
  "no action",
  "an action that is no text",
  "an empty condition",
  "a null for an element",
  "an unknown element",
  "a list of one for an element",
  "no version, or an unknown one",
  "an unknown element at the top",
  "statements in a list of lists",
  "a statement that is none",
]);
const SELDOM_ONE_IN = 6;
/** These change nothing where there is no condition. */
const OF_CONDITIONS = new Set([
  "no condition",
  "one comparison more",
  "a comparison less",
  "IfExists",
  "ForAllValues",
  "ForAnyValue",
  "another operator",
  "a negated operator",
  "an operator that takes wildcards",
  "another condition key",
  "a condition key in other letters' case",
  "another value",
  "one value more",
  "a value's text as another type",
  "a wildcard behind a value",
  "an empty list of values",
]);
const isTaken = (random: Random) => (name: string) => !SELDOM.has(name) || random.below(SELDOM_ONE_IN) === 0;
const CHANGES_MAX = 4;

/**
 * The policy with one to four changes.
 * @param only the changes to choose from; by default all, some of them seldom
 */
export function mutantOf(policy: unknown, random: Random, only?: ReadonlySet<string>): Mutant {
  const document: Json = copy(policy) as Json;
  const count = 1 + random.below(CHANGES_MAX);
  const changes = Array.from({ length: count }, () => {
    const all = statements(document);
    const group = random.below(4) === 0 || all.length === 0 ? DOCUMENT_CHANGES : STATEMENT_CHANGES;
    const name = random.oneOf(Object.keys(group).filter(only === undefined ? isTaken(random) : (one) => only.has(one)));
    DOCUMENT_CHANGES[name]?.(document, random);
    const conditional = all.filter(({ Condition }) => isObject(Condition));
    const fitting = OF_CONDITIONS.has(name) && conditional.length > 0 ? conditional : all;
    if (fitting.length > 0) STATEMENT_CHANGES[name]?.(random.oneOf(fitting), random, document);
    return name;
  });
  // What a policy is in AWS is JSON: nothing is left that has no form there.
  return { policy: copy(document), changes };
}
