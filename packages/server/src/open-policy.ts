import { readFileSync } from "node:fs";
import { ConfigError, type ServerConfig } from "./config.ts";
import type { Policy } from "./policy/policy.ts";
import { parsePolicyFile } from "./policy/policy-file.ts";
import { RulePolicy } from "./policy/rule-policy.ts";

/** The rule set that the configuration names, with the rules that its policy file replaces. @throws PolicyError */
export function openPolicy(config: ServerConfig): Policy {
  const ruleSet = config.text("policy.rules") as "secure" | "legacy";
  const file = config.text("policy.file");
  if (file === undefined) return new RulePolicy({ ruleSet });
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`policy.file ${file}: ${(error as Error).message}`, { cause: error });
  }
  return new RulePolicy({ ruleSet, overrides: parsePolicyFile(text) });
}
