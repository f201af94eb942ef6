import { join } from "node:path";
import type { Difference } from "./differences.ts";
import { type Image, nameOf } from "./image.ts";
import { cryptsetupVerdict, ourVerdict, type Verdict } from "./judge.ts";

/** What both said of an image. */
export interface Outcome {
  readonly image: Image;
  /** Undefined if the image could not be made on this machine. */
  readonly verdicts?: { readonly cryptsetup: Verdict; readonly ours: Verdict };
  /** Why it could not be made. */
  readonly problem?: string;
}

/** Judges images side by side, each worker with a file of its own. */
export async function judgeAll(
  images: readonly Image[],
  folder: string,
  workers: number,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const queue = images.entries();
  const work = async (_: unknown, worker: number) => {
    const path = join(folder, `${worker}.img`);
    for (const [index, image] of queue) outcomes[index] = await judged(image, path);
  };
  await Promise.all(Array.from({ length: workers }, work));
  return outcomes;
}

async function judged(image: Image, path: string): Promise<Outcome> {
  try {
    await image.write(path);
    // cryptsetup may repair the image, so it comes second.
    const ours = await ourVerdict(path, image);
    return { image, verdicts: { cryptsetup: await cryptsetupVerdict(path, image), ours } };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { image, problem: `${nameOf(image)}: ${reason}` };
  }
}

/** How the two differ: in their verdicts, or else in what they show. Undefined if they say the same. */
export function differenceOf({ verdicts }: Outcome): readonly [string, string] | undefined {
  if (verdicts === undefined) return undefined;
  const { cryptsetup, ours } = verdicts;
  const [theirs, own] = [textOf(cryptsetup), textOf(ours)];
  if (theirs !== own) return [theirs, own];
  return cryptsetup.shows === ours.shows ? undefined : [cryptsetup.shows, ours.shows];
}

function textOf({ dump, open }: Verdict): string {
  return `${dump}, ${open}`;
}

/** Whether a listed difference is that of an image. A valid image must be listed by its name. */
export function explains(difference: Difference, pattern: string, outcome: Outcome): boolean {
  const found = differenceOf(outcome);
  if (found === undefined || outcome.verdicts === undefined) return false;
  const name = nameOf(outcome.image);
  const isNamed = pattern === name || (outcome.image.kind === "changed" && matches(pattern, name));
  return (
    isNamed &&
    found[0] === difference.cryptsetup &&
    found[1] === difference.ours &&
    (difference.says?.test(outcome.verdicts.ours.reason) ?? true)
  );
}

/** `*` stands for any text. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(name);
}
