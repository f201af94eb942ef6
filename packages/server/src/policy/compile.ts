import { didYouMean } from "../model/did-you-mean.ts";
import type { Principal } from "../model/principal.ts";
import { ServerError } from "../model/server-error.ts";
import type { Expression, Operand } from "./expression.ts";
import type { PolicyTarget } from "./policy.ts";
import type { TargetKind } from "./rule-names.ts";

/** A compiled expression. `roles` are lower case and expanded. */
export type Check = (
  principal: Principal,
  roles: ReadonlySet<string>,
  target: PolicyTarget,
) => boolean;

/** How many checks a rule may come to once all its `rule:` references are written out. */
export const maxExpandedChecks = 2_000;

/**
 * Compiles the rule `name` of `rules` into one function, with every `rule:`
 * reference resolved, so that deciding costs no look-up and always ends.
 *
 * @param kind what `name` guards: its checks may look at nothing else.
 * @param flags fixed values that a check may compare with, such as
 *   `enforce_new_defaults`, which Barbican's own policy files do.
 * @throws `invalid_policy` for a reference to no rule, a circle of references, an
 *   attribute that such an object lacks, or a rule that unfolds beyond
 *   {@link maxExpandedChecks}.
 */
export function compileRule(
  name: string,
  kind: TargetKind,
  rules: ReadonlyMap<string, Expression>,
  flags: Readonly<Record<string, string>>,
): Check {
  let checks = 0;

  function compileNamed(rule: string, path: readonly string[]): Check {
    const via = [...path, rule];
    if (path.includes(rule)) {
      throw new ServerError(
        "invalid_policy",
        `rule "${name}" refers to itself: ${via.join(" → ")}`,
      );
    }
    const expression = rules.get(rule);
    if (!expression) {
      throw new ServerError(
        "invalid_policy",
        `rule "${path.at(-1) ?? name}" refers to "${rule}", which does not exist${didYouMean(rule, rules.keys())}`,
      );
    }
    return compile(expression, via);
  }

  function compile(expression: Expression, path: readonly string[]): Check {
    checks += 1;
    if (checks > maxExpandedChecks) {
      throw new ServerError(
        "invalid_policy",
        `rule "${name}" unfolds into more than ${maxExpandedChecks} checks`,
      );
    }
    switch (expression.type) {
      case "always":
        return () => true;
      case "never":
        return () => false;
      case "role": {
        const { role } = expression;
        return (_principal, roles) => roles.has(role);
      }
      case "rule":
        return compileNamed(expression.rule, path);
      case "match": {
        const left = compileOperand(expression.left, path);
        const right = compileOperand(expression.right, path);
        // What is unknown equals nothing, not even what is unknown on the other side.
        return (principal, _roles, target) => {
          const value = left(principal, target);
          return value !== undefined && value === right(principal, target);
        };
      }
      case "not": {
        const inside = compile(expression.of, path);
        return (principal, roles, target) => !inside(principal, roles, target);
      }
      case "and": {
        const all = expression.all.map((part) => compile(part, path));
        return (principal, roles, target) => all.every((part) => part(principal, roles, target));
      }
      case "or": {
        const any = expression.any.map((part) => compile(part, path));
        return (principal, roles, target) => any.some((part) => part(principal, roles, target));
      }
    }
  }

  function compileOperand(operand: Operand, path: readonly string[]): ReadValue {
    switch (operand.type) {
      case "text":
        return () => operand.text;
      case "caller":
        return callerValues[operand.attribute];
      case "target": {
        const { key } = operand;
        const flag = Object.hasOwn(flags, key) ? flags[key] : undefined;
        if (flag !== undefined) return () => flag;
        const known = keysOf(kind);
        const read = known.get(key);
        if (read) return (_principal, target) => read(target);
        throw new ServerError(
          "invalid_policy",
          `rule "${path.at(-1) ?? name}" looks at %(${key})s, which ${
            path.length > 1 ? `"${name}" does not have` : "it does not have"
          }${didYouMean(key, known.keys())} (known: ${[...known.keys(), ...Object.keys(flags)].join(", ")})`,
        );
      }
    }
  }

  return compileNamed(name, []);
}

type ReadValue = (principal: Principal, target: PolicyTarget) => string | undefined;

const callerValues = {
  user_id: (principal: Principal) => principal.userId,
  project_id: (principal: Principal) => principal.projectId,
  domain_id: (principal: Principal) => principal.domainId,
} as const;

type ReadTarget = (target: PolicyTarget) => string | undefined;

const projectId: ReadTarget = (target) => target.projectId;
const creatorId: ReadTarget = (target) => target.creatorId;

/** The attributes of each kind of object, spelt as in Barbican's files, and the short forms that all of OpenStack knows. */
function keysOf(kind: TargetKind): ReadonlyMap<string, ReadTarget> {
  if (kind === "none") return new Map();
  const owner: [string, ReadTarget][] = [
    ["project_id", projectId],
    [`target.${kind}.project_id`, projectId],
  ];
  if (kind === "order") return new Map(owner);
  return new Map([
    ...owner,
    ["user_id", creatorId],
    [`target.${kind}.creator_id`, creatorId],
    [`target.${kind}.read`, (target) => (target.readAcl === true ? "read" : undefined)],
    [
      `target.${kind}.read_project_access`,
      (target) => (target.projectAccess === true ? "True" : "False"),
    ],
  ]);
}
