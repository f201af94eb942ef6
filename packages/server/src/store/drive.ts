import type { Operation, Statement, StatementResult, Steps } from "./operation.ts";

/** Runs an operation's steps on a synchronous database. */
export function driveSync<R>(steps: Steps<R>, execute: (s: Statement) => StatementResult): R {
  let step = steps.next();
  while (!step.done) {
    let result: StatementResult;
    try {
      result = execute(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

/** Runs an operation's steps on an asynchronous database. */
export async function driveAsync<R>(
  steps: Steps<R>,
  execute: (s: Statement) => Promise<StatementResult>,
): Promise<R> {
  let step = steps.next();
  while (!step.done) {
    let result: StatementResult;
    try {
      result = await execute(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

/** Finds operations by module and name: how the writer thread learns what to run. */
export class OperationFinder {
  readonly #modules = new Map<string, Record<string, unknown>>();

  /** True if {@link find} can answer for this module. */
  knows(module: string): boolean {
    return this.#modules.has(module);
  }

  async load(module: string): Promise<void> {
    this.#modules.set(module, (await import(module)) as Record<string, unknown>);
  }

  find(module: string, name: string): Operation<unknown, unknown> {
    const found = this.#modules.get(module)?.[name] as Operation<unknown, unknown> | undefined;
    if (found?.name !== name) throw new Error(`store: ${module} exports no operation ${name}`);
    return found;
  }
}
