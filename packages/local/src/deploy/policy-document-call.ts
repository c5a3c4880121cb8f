import { DeployError } from "./deploy-error.ts";

/**
 * `aws.iam.getPolicyDocument`, as the provider's data source writes the document:
 * https://www.pulumi.com/registry/packages/aws/api-docs/iam/getpolicydocument/
 */

interface PolicyDocumentInputs {
  readonly policyId?: string;
  readonly version?: string;
  readonly statements?: readonly StatementInputs[];
  readonly sourcePolicyDocuments?: readonly string[];
  readonly overridePolicyDocuments?: readonly string[];
}

interface StatementInputs {
  readonly sid?: string;
  readonly effect?: string;
  readonly actions?: readonly string[];
  readonly notActions?: readonly string[];
  readonly resources?: readonly string[];
  readonly notResources?: readonly string[];
  readonly principals?: readonly PrincipalInputs[];
  readonly notPrincipals?: readonly PrincipalInputs[];
  readonly conditions?: readonly ConditionInputs[];
}

interface PrincipalInputs {
  readonly type: string;
  readonly identifiers: readonly string[];
}

interface ConditionInputs {
  readonly test: string;
  readonly variable: string;
  readonly values: readonly string[];
}

type Statement = Record<string, unknown> & { readonly Sid?: string };

const KNOWN_INPUTS = ["policyId", "version", "statements", "sourcePolicyDocuments", "overridePolicyDocuments"];
const KNOWN_STATEMENT_INPUTS = [
  "sid",
  "effect",
  "actions",
  "notActions",
  "resources",
  "notResources",
  "principals",
  "notPrincipals",
  "conditions",
];

/**
 * The call's result: its inputs and the document as `json` and `minifiedJson`.
 * @throws DeployError `input_unsupported` for an unknown input, or a `Sid` that two source documents share.
 */
export function answerPolicyDocument(inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  refuseUnknown(inputs, KNOWN_INPUTS, "getPolicyDocument");
  const { policyId, version, statements, sourcePolicyDocuments, overridePolicyDocuments } =
    inputs as PolicyDocumentInputs;
  const sources = (sourcePolicyDocuments ?? []).map((text) => parseDocument(text));
  const overrides = (overridePolicyDocuments ?? []).map((text) => parseDocument(text));
  const own = (statements ?? []).map(statementOf);

  let merged = sources.flatMap((source) => source.statements);
  refuseRepeatedSids(merged, "source documents");
  refuseRepeatedSids(own, "statements");
  merged = overrideBySid(merged, own);
  for (const override of overrides) merged = overrideBySid(merged, override.statements);

  const id = policyId ?? [...sources, ...overrides].map((source) => source.id).findLast((value) => value !== undefined);
  const document = {
    Version: version ?? "2012-10-17",
    ...(id !== undefined && { Id: id }),
    Statement: merged,
  };
  return {
    ...inputs,
    // The provider gives an empty list back as absent, and SST takes a list of any length for "there is a policy".
    ...(statements?.length === 0 && { statements: undefined }),
    id: "policy-document",
    json: JSON.stringify(document, null, 2),
    minifiedJson: JSON.stringify(document),
  };
}

function statementOf(inputs: StatementInputs): Statement {
  refuseUnknown(inputs, KNOWN_STATEMENT_INPUTS, "getPolicyDocument statement");
  return {
    ...(inputs.sid && { Sid: inputs.sid }),
    Effect: inputs.effect ?? "Allow",
    ...listField("Action", inputs.actions),
    ...listField("NotAction", inputs.notActions),
    ...listField("Resource", inputs.resources?.map(policyVariables)),
    ...listField("NotResource", inputs.notResources?.map(policyVariables)),
    ...principalField("Principal", inputs.principals),
    ...principalField("NotPrincipal", inputs.notPrincipals),
    ...conditionField(inputs.conditions),
  };
}

/** IAM takes a list of one as plain text too; the provider writes it so. */
function oneOrMany(values: readonly string[]): string | readonly string[] {
  const [first] = values;
  return values.length === 1 && first !== undefined ? first : values;
}

function listField(name: string, values: readonly string[] | undefined): Record<string, unknown> {
  return values === undefined || values.length === 0 ? {} : { [name]: oneOrMany(values) };
}

function principalField(name: string, principals: readonly PrincipalInputs[] | undefined): Record<string, unknown> {
  if (principals === undefined || principals.length === 0) return {};
  const everyone = principals.length === 1 && principals[0]?.type === "*" && principals[0].identifiers[0] === "*";
  if (everyone) return { [name]: "*" };
  const byType = new Map<string, string[]>();
  for (const { type, identifiers } of principals) {
    byType.set(type, [...(byType.get(type) ?? []), ...identifiers.map(policyVariables)]);
  }
  return { [name]: Object.fromEntries([...byType].map(([type, identifiers]) => [type, oneOrMany(identifiers)])) };
}

function conditionField(conditions: readonly ConditionInputs[] | undefined): Record<string, unknown> {
  if (conditions === undefined || conditions.length === 0) return {};
  const tests: Record<string, Record<string, string[]>> = {};
  for (const { test, variable, values } of conditions) {
    const variables = tests[test] ?? {};
    tests[test] = { ...variables, [variable]: [...(variables[variable] ?? []), ...values.map(policyVariables)] };
  }
  const written = Object.entries(tests).map(([test, variables]) => [
    test,
    Object.fromEntries(Object.entries(variables).map(([variable, values]) => [variable, oneOrMany(values)])),
  ]);
  return { Condition: Object.fromEntries(written) };
}

/** The provider takes `&{aws:username}` for IAM's `${aws:username}`, which its own templates would swallow. */
function policyVariables(value: string): string {
  return value.replaceAll("&{", "${");
}

function parseDocument(text: string): { id: string | undefined; statements: Statement[] } {
  const document = JSON.parse(text) as { Id?: string; Statement?: Statement | Statement[] };
  const statements = document.Statement ?? [];
  return { id: document.Id, statements: Array.isArray(statements) ? statements : [statements] };
}

function overrideBySid(statements: readonly Statement[], overrides: readonly Statement[]): Statement[] {
  const result = [...statements];
  for (const override of overrides) {
    const index = result.findIndex((statement) => statement.Sid !== undefined && statement.Sid === override.Sid);
    if (index === -1) result.push(override);
    else result[index] = override;
  }
  return result;
}

function refuseRepeatedSids(statements: readonly Statement[], where: string): void {
  const seen = new Set<string>();
  for (const { Sid } of statements) {
    if (Sid !== undefined && seen.has(Sid)) {
      throw new DeployError("input_unsupported", `getPolicyDocument: two ${where} have the Sid ${Sid}.`);
    }
    if (Sid !== undefined) seen.add(Sid);
  }
}

function refuseUnknown(inputs: object, known: readonly string[], where: string): void {
  const unknown = Object.entries(inputs).find(([name, value]) => value !== undefined && !known.includes(name));
  if (unknown !== undefined) {
    throw new DeployError("input_unsupported", `${where}: the local deploy doesn't know the input "${unknown[0]}".`);
  }
}
