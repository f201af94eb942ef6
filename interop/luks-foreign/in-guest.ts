import { fileURLToPath } from "node:url";
import { runInGuest } from "../guest/guest.ts";
import { type Image, nameOf } from "./image.ts";
import { luks1Valid } from "./luks1.ts";
import { madeByCryptsetup } from "./made-by-cryptsetup.ts";
import { judgeAll, type Outcome } from "./outcome.ts";

/** Judges the images that need a kernel with all ciphers and device-mapper, in one boot of the guest. */
export async function judgeInGuest(images: readonly Image[]): Promise<readonly Outcome[]> {
  const script = fileURLToPath(import.meta.url);
  const guest = await runInGuest([process.execPath, script], {
    environment: { NODE_NO_WARNINGS: "1" },
    timeoutSeconds: 600,
  });
  const lines = guest.stdout.split("\n").filter((line) => line.startsWith("{"));
  const outcomes = new Map(
    lines.map((line) => {
      const { name, ...outcome } = JSON.parse(line) as Omit<Outcome, "image"> & { name: string };
      return [name, outcome];
    }),
  );
  const problem = `not judged in the guest, which ended with status ${guest.status}: ${guest.stderr}`;
  return images.map((image) => ({ image, ...(outcomes.get(nameOf(image)) ?? { problem }) }));
}

// The part inside the guest: a line of JSON for each image.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const images = [...luks1Valid, ...madeByCryptsetup].filter((image) => image.inGuest);
  for (const { image, ...outcome } of await judgeAll(images, "/tmp", 1)) {
    console.log(JSON.stringify({ name: nameOf(image), ...outcome }));
  }
}
