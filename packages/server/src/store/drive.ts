import type { RowTags } from "../crypto/row-tags.ts";
import type { Operation, Statement, StatementResult, Steps, TagStep } from "./operation.ts";

/**
 * Runs an operation's steps on a synchronous database.
 *
 * @param tags Absent for steps that touch no tagged row.
 */
export function driveSync<R>(
  steps: Steps<R>,
  execute: (s: Statement) => StatementResult,
  tags?: RowTags,
): R {
  let step = steps.next();
  while (!step.done) {
    let result: StatementResult;
    try {
      result = "sql" in step.value ? execute(step.value) : answer(step.value, tags);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

/**
 * Runs an operation's steps on an asynchronous database.
 *
 * @param tags Absent for steps that touch no tagged row.
 */
export async function driveAsync<R>(
  steps: Steps<R>,
  execute: (s: Statement) => Promise<StatementResult>,
  tags?: RowTags,
): Promise<R> {
  let step = steps.next();
  while (!step.done) {
    let result: StatementResult;
    try {
      result = "sql" in step.value ? await execute(step.value) : answer(step.value, tags);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

function answer({ values, tag }: TagStep, tags: RowTags | undefined): StatementResult {
  if (!tags) throw new Error("store: the rows have no tag key yet");
  if (tag === undefined) return { rows: [tags.of(values)], changes: 0 };
  return { rows: [], changes: tags.verifies(values, tag) ? 1 : 0 };
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
