import type { ServerConfig } from "../config/config.ts";
import { readSettingFile } from "../config/read-setting-file.ts";
import type { Policy } from "../policy/policy.ts";
import { parsePolicyFile } from "../policy/policy-file.ts";
import { RulePolicy } from "../policy/rule-policy.ts";

/** The rule set that the configuration names, with the rules that its policy file replaces. @throws `invalid_config`, `invalid_policy` */
export function openPolicy(config: ServerConfig): Policy {
  const ruleSet = config.text("policy.rules") as "secure" | "legacy";
  const file = config.text("policy.file");
  if (file === undefined) return new RulePolicy({ ruleSet });
  const text = readSettingFile("policy.file", file).toString("utf8");
  return new RulePolicy({ ruleSet, overrides: parsePolicyFile(text) });
}
