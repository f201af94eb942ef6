import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { allImages } from "../luks-foreign/catalogue.ts";
import { differences } from "../luks-foreign/differences.ts";
import { nameOf } from "../luks-foreign/image.ts";
import { judgeInGuest } from "../luks-foreign/in-guest.ts";
import { differenceOf, explains, judgeAll, type Outcome } from "../luks-foreign/outcome.ts";
import { formatTable } from "../report.ts";

/** Which of the hostile values are judged: another seed takes others, and a step of 1 takes all. */
const seed = Number(process.env["LUKS_FOREIGN_SEED"] ?? 1);
const step = Number(process.env["LUKS_FOREIGN_STEP"] ?? 8);
const isDefault = seed === 1 && step === 8;
const leastImages = 400;

describe("cryptsetup and we say the same of a LUKS header", () => {
  const folder = mkdtempSync(join(tmpdir(), "luks-foreign-"));
  after(() => rmSync(folder, { recursive: true }));
  const images = allImages(seed, step);
  let outcomes: readonly Outcome[] = [];
  before(async () => {
    const [here, inGuest] = await Promise.all([
      judgeAll(
        images.filter((image) => !image.inGuest),
        folder,
        availableParallelism(),
      ),
      judgeInGuest(images.filter((image) => image.inGuest)),
    ]);
    outcomes = [...here, ...inGuest];
  });

  for (const field of new Set(images.map((image) => image.field))) {
    it(field, () => {
      const unlisted = outcomes
        .filter((outcome) => outcome.image.field === field && !isListed(outcome))
        .map(shown);
      assert.deepEqual(unlisted, []);
    });
  }

  it("made every image", () => {
    assert.deepEqual(
      outcomes.flatMap(({ problem }) => problem ?? []),
      [],
    );
  });

  it(`judged ${leastImages} images or more`, () => {
    const judged = outcomes.filter(({ verdicts }) => verdicts !== undefined);
    assert.ok(judged.length >= leastImages, `only ${judged.length}`);
    assert.equal(new Set(images.map(nameOf)).size, images.length, "two images have one name");
  });

  it("still differ where a difference is listed", () => {
    if (!isDefault) return;
    const stale = differences.flatMap((difference) =>
      difference.images.filter(
        (pattern) => !outcomes.some((outcome) => explains(difference, pattern, outcome)),
      ),
    );
    assert.deepEqual(stale, []);
  });

  after(() => {
    console.log(`\n${formatTable(countsByField(outcomes))}\n`);
    console.log(`seed ${seed}, every ${step}th hostile value, ${outcomes.length} images`);
  });
});

function isListed(outcome: Outcome): boolean {
  if (differenceOf(outcome) === undefined) return true;
  return differences.some((difference) =>
    difference.images.some((pattern) => explains(difference, pattern, outcome)),
  );
}

function named({ image }: Outcome): string {
  return nameOf(image);
}

function shown(outcome: Outcome): string {
  const [theirs = "", ours = ""] = differenceOf(outcome) ?? [];
  const reasons = [outcome.verdicts?.cryptsetup.reason, outcome.verdicts?.ours.reason];
  return `${named(outcome)} | cryptsetup: ${theirs} | we: ${ours} | ${reasons.join(" | ")}`;
}

const columns = [
  "opens",
  "does not open",
  "refused",
  "dump refused",
  "listed",
  "not made",
] as const;

function countsByField(outcomes: readonly Outcome[]): string[][] {
  const counts = new Map<string, Map<string, number>>();
  for (const outcome of outcomes) {
    for (const field of [outcome.image.field, "all"]) {
      const row = counts.get(field) ?? new Map<string, number>();
      counts.set(field, row.set(columnOf(outcome), (row.get(columnOf(outcome)) ?? 0) + 1));
    }
  }
  const all = counts.get("all");
  counts.delete("all");
  if (all) counts.set("all", all);
  return [
    ["field", ...columns],
    ...[...counts].map(([field, row]) => [
      field,
      ...columns.map((column) => String(row.get(column) ?? "")),
    ]),
  ];
}

/** What both say, unless they differ. */
function columnOf(outcome: Outcome): (typeof columns)[number] {
  const { verdicts } = outcome;
  if (verdicts === undefined) return "not made";
  if (differenceOf(outcome) !== undefined) return "listed";
  const { dump, open } = verdicts.ours;
  if (dump === "refused" && open === "refused") return "dump refused";
  return open.startsWith("opens") ? "opens" : open === "refused" ? "refused" : "does not open";
}
