/** DynamoDB's update and condition expressions from plain values: its own builder in dynamodb-toolbox would add 22 KB. */

/** A condition on one attribute. */
type Condition = { readonly is: "absent" } | { readonly is: "equal" | "at-most"; readonly value: string | number };

export interface ItemUpdate {
  readonly set?: Readonly<Record<string, unknown>>;
  readonly add?: Readonly<Record<string, number>>;
  readonly remove?: readonly string[];
}

/** Each attribute's conditions must hold; of several on one attribute, one is enough. */
export type Conditions = Readonly<Record<string, Condition | readonly Condition[]>>;

export function updateExpressions(update: ItemUpdate, conditions: Conditions) {
  const placeholders = createPlaceholders();
  const { name, value } = placeholders;
  const clauses = [
    clause("SET", Object.entries(update.set ?? {}), ([attribute, to]) => `${name(attribute)} = ${value(to)}`),
    clause("ADD", Object.entries(update.add ?? {}), ([attribute, by]) => `${name(attribute)} ${value(by)}`),
    clause("REMOVE", update.remove ?? [], name),
  ].filter((text) => text !== "");
  const ConditionExpression = conditionText(conditions, placeholders);
  return { UpdateExpression: clauses.join(" "), ConditionExpression, ...placeholders.attributes() };
}

export function conditionExpressions(conditions: Conditions) {
  const placeholders = createPlaceholders();
  return { ConditionExpression: conditionText(conditions, placeholders), ...placeholders.attributes() };
}

type Placeholders = ReturnType<typeof createPlaceholders>;

/** Every attribute by a placeholder, as a word that DynamoDB reserves one day would break the rest. */
function createPlaceholders() {
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  return {
    name(attribute: string) {
      names[`#${attribute}`] = attribute;
      return `#${attribute}`;
    },
    value(given: unknown) {
      const placeholder = `:v${Object.keys(values).length}`;
      values[placeholder] = given;
      return placeholder;
    },
    attributes: () => ({
      ExpressionAttributeNames: names,
      // DynamoDB refuses an empty one.
      ...(Object.keys(values).length === 0 ? {} : { ExpressionAttributeValues: values }),
    }),
  };
}

function conditionText(conditions: Conditions, { name, value }: Placeholders): string {
  const one = (attribute: string, condition: Condition) => {
    if (condition.is === "absent") return `attribute_not_exists(${name(attribute)})`;
    return `${name(attribute)} ${condition.is === "equal" ? "=" : "<="} ${value(condition.value)}`;
  };
  const all = Object.entries(conditions).map(([attribute, given]) => {
    const some = [given].flat().map((condition) => one(attribute, condition));
    return some.length === 1 ? some[0] : `(${some.join(" OR ")})`;
  });
  return all.join(" AND ");
}

function clause<T>(verb: string, parts: readonly T[], text: (part: T) => string): string {
  return parts.length === 0 ? "" : `${verb} ${parts.map(text).join(", ")}`;
}
