import { parseDocument } from "yaml";
import { ServerError } from "../model/server-error.ts";

/** In bytes of UTF-8. A file that repeats every rule there is has about 12,000. */
export const maxPolicyFileBytes = 262_144;

/**
 * Reads an operator's `policy.yaml`: a YAML mapping of rule name to expression.
 * Text without a rule, such as comments alone, overrides nothing. Whether the names and expressions mean
 * anything is for {@link RulePolicy} to say.
 *
 * @throws `invalid_policy` for text that is no such mapping: other types, tags,
 *   aliases, a name given twice, an unquoted `!` or `@`.
 */
export function parsePolicyFile(text: string): Readonly<Record<string, string>> {
  if (Buffer.byteLength(text) > maxPolicyFileBytes) {
    throw new ServerError(
      "invalid_policy",
      `policy file is longer than ${maxPolicyFileBytes} bytes`,
    );
  }
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true, customTags: [] });
  // Warnings too: of an unknown tag YAML only warns.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) {
    throw new ServerError(
      "invalid_policy",
      `policy file: ${problem.message.trimEnd()} (quote expressions, above all "!" and "@")`,
    );
  }
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new ServerError("invalid_policy", "policy file: YAML aliases are not allowed", { cause });
  }
  if (content === null || content === undefined) return {};
  if (typeof content !== "object" || Array.isArray(content)) {
    throw new ServerError(
      "invalid_policy",
      "policy file: it must be a mapping of rule name to expression",
    );
  }
  const rules: [string, string][] = [];
  for (const [name, rule] of Object.entries(content as Record<string, unknown>)) {
    // Without a warning YAML takes `secret:get: !` for a tag on empty text.
    if (typeof rule !== "string" || rule.trim() === "") {
      throw new ServerError(
        "invalid_policy",
        `policy file: rule "${name}" must be text; write '"@"' for everybody or '"!"' for nobody`,
      );
    }
    rules.push([name, rule]);
  }
  return Object.fromEntries(rules);
}
