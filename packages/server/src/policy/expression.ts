import { didYouMean } from "../model/did-you-mean.ts";
import { ServerError } from "../model/server-error.ts";

/** One check of oslo.policy's expression language, parsed. */
export type Expression =
  | { readonly type: "always" }
  | { readonly type: "never" }
  | { readonly type: "role"; readonly role: string }
  | { readonly type: "rule"; readonly rule: string }
  | { readonly type: "match"; readonly left: Operand; readonly right: Operand }
  | { readonly type: "not"; readonly of: Expression }
  | { readonly type: "and"; readonly all: readonly Expression[] }
  | { readonly type: "or"; readonly any: readonly Expression[] };

/** One side of a `left:right` check: text, what the caller's token says, or what the store says of the object. */
export type Operand =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "caller"; readonly attribute: CallerAttribute }
  | { readonly type: "target"; readonly key: string };

/** What the left side of a check may ask of the caller. */
export const callerAttributes = ["user_id", "project_id", "domain_id"] as const;
export type CallerAttribute = (typeof callerAttributes)[number];

/** In UTF-16 units. Barbican's longest own rule has about 300. */
export const maxExpressionLength = 4096;
/** How deep parentheses and `not` may nest. */
export const maxExpressionDepth = 32;

/**
 * Parses one expression: `@` (everyone), `!` (no one), `role:name`,
 * `rule:name`, `attribute:%(target.secret.project_id)s`,
 * `'text':%(target.secret.read)s`, `not`, `and`, `or`, parentheses. `not` binds
 * tightest, then `and`, then `or`. Linear in the text's length.
 *
 * Unlike oslo.policy it refuses the empty text (which there means everybody,
 * and which YAML makes of an unquoted `!`) and text it cannot read (which there
 * silently means no one).
 *
 * https://docs.openstack.org/oslo.policy/latest/reference/api/oslo_policy.policy.html
 *
 * @throws `invalid_policy` naming what is wrong and where.
 */
export function parseExpression(text: string): Expression {
  if (text.length > maxExpressionLength) {
    throw new ServerError(
      "invalid_policy",
      `expression is longer than ${maxExpressionLength} characters`,
    );
  }
  const parser = new Parser(tokenize(text));
  return parser.parse();
}

interface Token {
  readonly type: "(" | ")" | "and" | "or" | "not" | "check" | "end";
  readonly text: string;
  /** From 1, as editors count. */
  readonly column: number;
}

/** A word ends at white space or a parenthesis, but `%(key)s` and quoted text may contain both. */
const word = /(?:%\([^()\s]*\)s|'[^']*'|"[^"]*"|[^\s()'"])+/y;
const blank = /\s+/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const column = at + 1;
    blank.lastIndex = at;
    const space = blank.exec(text);
    if (space) {
      at += space[0].length;
      continue;
    }
    const letter = text[at];
    if (letter === "(" || letter === ")") {
      tokens.push({ type: letter, text: letter, column });
      at += 1;
      continue;
    }
    word.lastIndex = at;
    const found = word.exec(text);
    if (!found)
      throw new ServerError("invalid_policy", `column ${column}: a quotation mark is not closed`);
    const keyword = found[0].toLowerCase();
    const type = keyword === "and" || keyword === "or" || keyword === "not" ? keyword : "check";
    tokens.push({ type, text: found[0], column });
    at += found[0].length;
  }
  tokens.push({ type: "end", text: "the end", column: text.length + 1 });
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Expression {
    if (this.#peek().type === "end") {
      throw new ServerError(
        "invalid_policy",
        'expression is empty: write "@" for everybody or "!" for nobody',
      );
    }
    const expression = this.#or(0);
    const rest = this.#peek();
    if (rest.type !== "end") throw unexpected(rest, '"and", "or" or the end');
    return expression;
  }

  #or(depth: number): Expression {
    const any = [this.#and(depth)];
    while (this.#take("or")) any.push(this.#and(depth));
    return any.length === 1 && any[0] ? any[0] : { type: "or", any };
  }

  #and(depth: number): Expression {
    const all = [this.#not(depth)];
    while (this.#take("and")) all.push(this.#not(depth));
    return all.length === 1 && all[0] ? all[0] : { type: "and", all };
  }

  #not(depth: number): Expression {
    if (depth > maxExpressionDepth) {
      throw new ServerError(
        "invalid_policy",
        `column ${this.#peek().column}: nested deeper than ${maxExpressionDepth}`,
      );
    }
    if (this.#take("not")) return { type: "not", of: this.#not(depth + 1) };
    if (this.#take("(")) {
      const inside = this.#or(depth + 1);
      if (!this.#take(")")) throw unexpected(this.#peek(), '")"');
      return inside;
    }
    const token = this.#peek();
    if (!this.#take("check")) throw unexpected(token, 'a check such as "role:member"');
    return parseCheck(token);
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { type: "end", text: "the end", column: 0 };
  }

  #take(type: Token["type"]): boolean {
    if (this.#peek().type !== type) return false;
    this.#next += 1;
    return true;
  }
}

function unexpected(token: Token, wanted: string): ServerError {
  return new ServerError(
    "invalid_policy",
    `column ${token.column}: expected ${wanted}, found ${quote(token.text)}`,
  );
}

function parseCheck({ text, column }: Token): Expression {
  if (text === "@") return { type: "always" };
  if (text === "!") return { type: "never" };
  // A quoted left side may hold a colon; elsewhere the first one divides, so that role names may hold some.
  const match = /^('[^']*'|"[^"]*"|[^:'"%]+):(.+)$/s.exec(text);
  const [, left, right] = match ?? [];
  if (left === undefined || right === undefined) {
    throw new ServerError(
      "invalid_policy",
      `column ${column}: ${quote(text)} is no check: it needs the form "kind:value"${didYouMean(text, ["@", "!", "and", "or", "not"])}`,
    );
  }
  if (left === "role") return { type: "role", role: literal(right, column).toLowerCase() };
  if (left === "rule") return { type: "rule", rule: literal(right, column) };
  return { type: "match", left: leftOperand(left, column), right: rightOperand(right, column) };
}

function leftOperand(text: string, column: number): Operand {
  const quoted = /^(['"])(.*)\1$/s.exec(text);
  if (quoted) return { type: "text", text: quoted[2] ?? "" };
  if (/^(?:True|False|\d+)$/.test(text)) return { type: "text", text };
  const attribute = callerAttributes.find((known) => known === text);
  if (attribute) return { type: "caller", attribute };
  const known = ["role", "rule", ...callerAttributes];
  throw new ServerError(
    "invalid_policy",
    `column ${column}: unknown check ${quote(text)}${didYouMean(text, known)} (known: ${known.join(", ")}, 'text', True, False)`,
  );
}

function rightOperand(text: string, column: number): Operand {
  const substitution = /^%\(([^()]*)\)s$/.exec(text);
  if (substitution) return { type: "target", key: substitution[1] ?? "" };
  return { type: "text", text: literal(text, column) };
}

function literal(text: string, column: number): string {
  if (!/[%'"]/.test(text)) return text;
  throw new ServerError(
    "invalid_policy",
    `column ${column}: ${quote(text)} must be plain text or one whole %(name)s, without quotation marks`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
