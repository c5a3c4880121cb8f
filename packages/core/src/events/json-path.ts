/**
 * The part of JSONPath that names one place: RFC 9535's singular queries (`$`, `.name`, `['name']`, `[0]`). Filters,
 * wildcards and `..` find many places or compute, which a field mapping must not: see docs/adr/0009.
 */

export const PATH_CHARACTERS_MAX = 256;
/** As deep as an event may nest: its detail's 32 levels, in the event. */
const SEGMENTS_MAX = 33;

/** A member's name, or an index: from the end where it is negative. */
type Segment = string | number;
export type SingularPath = readonly Segment[];

const BLANK = /[ \t\n\r]*/y;
/** `.name`: letters, digits, `_` and everything beyond ASCII but lone surrogates, beginning with no digit. */
const SHORTHAND = /\.([A-Za-z_\u{80}-\u{D7FF}\u{E000}-\u{10FFFF}][\w\u{80}-\u{D7FF}\u{E000}-\u{10FFFF}]*)/uy;
const INDEX = /\[(0|-?[1-9]\d{0,15})\]/y;
const ESCAPE = String.raw`\\(?:[bfnrt/\\]|u[0-9A-Fa-f]{4})`;
const DOUBLE_QUOTED = new RegExp(String.raw`\[("(?:[^"\\\u{0}-\u{1f}\u{d800}-\u{dfff}]|\\"|${ESCAPE})*")\]`, "uy");
const SINGLE_QUOTED = new RegExp(String.raw`\['((?:[^'\\\u{0}-\u{1f}\u{d800}-\u{dfff}]|\\'|${ESCAPE})*)'\]`, "uy");

/** @returns the path, or undefined where the text is no singular query within the limits */
export function parseSingularPath(text: string): SingularPath | undefined {
  if (!text.startsWith("$") || text.length > PATH_CHARACTERS_MAX) return undefined;
  const segments: Segment[] = [];
  let position = 1;
  while (position < text.length) {
    const next = readSegment(text, position);
    if (next === undefined || segments.length === SEGMENTS_MAX) return undefined;
    segments.push(next.segment);
    position = next.end;
  }
  return segments;
}

function readSegment(text: string, from: number): { readonly segment: Segment; readonly end: number } | undefined {
  BLANK.lastIndex = from;
  BLANK.exec(text);
  const start = BLANK.lastIndex;
  for (const [pattern, decode] of SEGMENT_KINDS) {
    pattern.lastIndex = start;
    const found = pattern.exec(text)?.[1];
    if (found === undefined) continue;
    const segment = decode(found);
    return segment === undefined ? undefined : { segment, end: pattern.lastIndex };
  }
  return undefined;
}

const SEGMENT_KINDS: readonly (readonly [RegExp, (found: string) => Segment | undefined])[] = [
  [SHORTHAND, (name) => name],
  [INDEX, (digits) => (Number.isSafeInteger(Number(digits)) ? Number(digits) : undefined)],
  [DOUBLE_QUOTED, unquoted],
  // JSON knows no \' and wants " escaped.
  [SINGLE_QUOTED, (text) => unquoted(`"${text.replaceAll("\\'", "'").replaceAll('"', '\\"')}"`)],
];

/** RFC 9535 takes surrogates only in pairs, which JSON doesn't mind. */
function unquoted(literal: string): string | undefined {
  const name: string = JSON.parse(literal);
  return name.isWellFormed() ? name : undefined;
}

/** @returns the value at the path's place, or undefined where there is none (JSON has no undefined of its own) */
export function valueAt(path: SingularPath, root: unknown): unknown {
  let value = root;
  for (const segment of path) {
    if (typeof value !== "object" || value === null) return undefined;
    if (typeof segment === "number") value = Array.isArray(value) ? value.at(segment) : undefined;
    else if (!Array.isArray(value) && Object.hasOwn(value, segment)) {
      value = (value as Readonly<Record<string, unknown>>)[segment];
    } else return undefined;
  }
  return value;
}
