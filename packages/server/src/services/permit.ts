import type { Principal } from "../model/principal.ts";
import { forbidden } from "../model/wire-error.ts";
import type { PolicyTarget } from "../policy/policy.ts";
import type { PolicyRule } from "../policy/rule-names.ts";
import type { Operation } from "../store/operation.ts";
import type { ServiceContext } from "./context.ts";

/** One action that the policy is asked about. */
export interface GuardedAction {
  /** Null if any authenticated caller may. */
  readonly rule: PolicyRule | null;
  /** Its name in the refusal: "Secret retrieval". */
  readonly noun: string;
  /** What is recorded besides refusals. */
  readonly audit: "refusals" | "read" | "write";
}

/**
 * Proof that the policy allowed one caller one action, and the only way for a service to write: every write takes its
 * audit entry along. Only {@link Permit.ask} makes one.
 */
export class Permit {
  readonly principal: Principal;
  readonly #context: ServiceContext;
  readonly #action: GuardedAction;
  readonly #objectId: string | undefined;

  private constructor(
    context: ServiceContext,
    principal: Principal,
    action: GuardedAction,
    objectId: string | undefined,
  ) {
    this.principal = principal;
    this.#context = context;
    this.#action = action;
    this.#objectId = objectId;
  }

  /**
   * Writes, with the audit entry in the same transaction.
   *
   * @param objectId for the entry. Default: the id of the action's target
   */
  write<P, R>(operation: Operation<P, R>, parameters: P, objectId = this.#objectId): Promise<R> {
    const { rule, audit } = this.#action;
    if (rule === null || audit !== "write")
      throw new Error(`${this.#action.noun}: it writes, and its row does not say so`);
    const { store } = this.#context;
    const entry = this.#context.audit.entry(this.principal, rule, objectId);
    return store.write(operation, parameters, entry);
  }

  /** Records the action as a read. @throws `unavailable` if the record cannot be written */
  record(): Promise<void> {
    const { rule, noun } = this.#action;
    if (rule === null) throw new Error(`${noun}: it is recorded, and its row has no rule`);
    const { audit } = this.#context;
    return audit.read(audit.entry(this.principal, rule, this.#objectId));
  }

  /**
   * Asks the policy, and records a refusal.
   *
   * @param facts what the policy may know of the object
   * @throws WireError 403
   */
  static ask(
    context: ServiceContext,
    principal: Principal,
    action: GuardedAction,
    facts: PolicyTarget,
    objectId: string | undefined,
  ): Permit | Promise<Permit> {
    const { rule } = action;
    if (rule !== null && !context.policy.allows(rule, principal, facts))
      return refuse(context, principal, rule, action.noun, objectId);
    return new Permit(context, principal, action, objectId);
  }
}

async function refuse(
  { audit }: ServiceContext,
  principal: Principal,
  rule: PolicyRule,
  noun: string,
  objectId: string | undefined,
): Promise<never> {
  await audit.read(audit.entry(principal, rule, objectId, "forbidden"));
  throw forbidden(noun);
}
