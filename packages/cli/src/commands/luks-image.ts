import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import {
  checkHeader,
  convertImage,
  decryptImage,
  encryptImage,
  finishReencryption,
  forgetImage,
  type HeaderLoss,
  type ImageFormat,
  type ImageProgress,
  interruptedOperation,
  isReencryptionDone,
  LuksError,
  reencryptImage,
  resumeImage,
} from "@chatelaine/luks";
import { type Command, Option } from "commander";
import {
  addNewPassphraseFlags,
  addPassphraseFlags,
  type NewPassphrase,
  type NewPassphraseFlags,
  withBothPassphrases,
} from "../terminal/passphrase-flags.ts";
import { progressBar } from "../terminal/progress-bar.ts";
import { addSlotFlags, parseNumber, type SlotFlags, slotOf } from "../terminal/slot-flags.ts";
import { slotsGone } from "../terminal/slots-gone.ts";
import { type Context, examples } from "./command.ts";

interface ImageFlags extends NewPassphraseFlags, SlotFlags {
  readonly output?: string;
  readonly luks1?: boolean;
  readonly sectorSize?: number;
  readonly threads?: number;
  readonly cipher?: string;
  readonly journal?: string;
  readonly allowDestroyingData?: readonly string[];
  readonly allowLosing?: readonly HeaderLoss[];
}

/** More threads than this gain nothing: they wait for each other's writes to one file. */
const mostThreads = 2;

const outputFlag = ["--output <file>", "new file (default: change the image in place)"] as const;
const threadsFlag = [
  "--threads <number>",
  "number of threads; 1 uses no worker threads",
  parseNumber,
  Math.min(mostThreads, availableParallelism()),
] as const;
const journalFlag = [
  "--journal <folder>",
  "folder for the data that a resume needs (default: IMAGE.chatelaine; required for a block device)",
] as const;
const luks1Flag = ["--luks1", "create LUKS1 instead of LUKS2, for QEMU"] as const;
const sectorSizeFlag = [
  "--sector-size <bytes>",
  "encryption sector size: 512, 1024, 2048 or 4096; LUKS2 only",
  parseNumber,
] as const;

/** `chatelaine luks encrypt | decrypt | convert | reencrypt | resume` */
export function addImageCommands(luks: Command, context: (command: Command) => Context): void {
  examples(
    addSlotFlags(
      addPassphraseFlags(
        luks
          .command("encrypt")
          .argument("<image>")
          .description("Encrypt a raw image, in place or to a new file"),
      ),
    )
      .option(...outputFlag)
      .option(...luks1Flag)
      .option(...sectorSizeFlag)
      .option(
        "--allow-destroying-data <kinds...>",
        "unrecognised: overwrite the end of a block device although it is not zero",
      )
      .option(...journalFlag)
      .option(...threadsFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const target = flags.output;
        const task = { what: "encrypt", image, target, flags, isNew: true };
        await report(context(command), task, (_, by, run) => {
          const { allowDestroyingData } = flags;
          return encryptImage(image, {
            format: formatOf(by, flags),
            ...run,
            ...(target === undefined ? {} : { target }),
            ...(allowDestroyingData === undefined ? {} : { allowDestroyingData }),
          });
        });
      }),
    [
      "chatelaine luks encrypt disk.raw --passphrase-file key.hex --entropy-bits 256",
      "chatelaine luks encrypt /dev/vg0/data --passphrase-file key.hex --journal /root/data.journal",
    ],
  );

  examples(
    addPassphraseFlags(
      luks
        .command("decrypt")
        .argument("<image>")
        .description("Decrypt a LUKS image, in place or to a new file"),
    )
      .option(...outputFlag)
      .option(...journalFlag)
      .option(...threadsFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const target = flags.output;
        const task = { what: "decrypt", image, target, flags };
        await report(context(command), task, (passphrase, _, run) =>
          decryptImage(image, { passphrase, ...run, ...(target === undefined ? {} : { target }) }),
        );
      }),
    ["chatelaine luks decrypt disk.img --passphrase-file key.hex --output disk.raw"],
  );

  examples(
    addSlotFlags(
      withNewPassphrase(
        luks
          .command("convert")
          .argument("<image>")
          .description("Convert an image to another LUKS format, in place or to a new file"),
      ),
    )
      .option(...outputFlag)
      .option(...luks1Flag)
      .option("--cipher <name>", "cipher, LUKS1 only (default: aes-xts-plain64)")
      .addOption(
        new Option(
          "--allow-losing <kinds...>",
          "in place with --luks1: features to drop that LUKS1 cannot hold",
        ).choices(["label", "flags", "tokens", "slots", "unknown"]),
      )
      .option(...sectorSizeFlag)
      .option(...journalFlag)
      .option(...threadsFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const target = flags.output;
        const task = { what: "convert", image, target, flags };
        await report(context(command), task, (passphrase, by, run) =>
          convertImage(image, {
            passphrase,
            format: formatOf(by, flags),
            ...run,
            ...(flags.allowLosing === undefined ? {} : { allowLosing: flags.allowLosing }),
            ...(target === undefined ? {} : { target }),
          }),
        );
      }),
    ["chatelaine luks convert disk.img --luks1 --passphrase-file key.hex --entropy-bits 256"],
  );

  examples(
    addSlotFlags(
      withNewPassphrase(
        luks
          .command("reencrypt")
          .argument("<image>")
          .description("Re-encrypt an image with a new volume key"),
      ),
    )
      .option(...journalFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        await report(context(command), { what: "reencrypt", image, flags }, (passphrase, by, run) =>
          reencryptImage(image, { passphrase, keyslots: [slotOf(by, flags)], ...run }),
        );
      }),
    ["chatelaine luks reencrypt disk.img --passphrase-file key.hex --entropy-bits 256"],
  );

  examples(
    withNewPassphrase(
      luks
        .command("resume")
        .argument("<image>", "image, or the output file of an interrupted copy")
        .description(
          "Resume an interrupted encryption, decryption, conversion or re-encryption, or finish one that cryptsetup cannot",
        ),
    )
      .option(...journalFlag)
      .option(...threadsFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const at = flags.journal === undefined ? {} : { journal: flags.journal };
        const waiting = await interruptedOperation(image, at);
        if (waiting === undefined) {
          if (await isDone(image)) await finish(context(command), image, flags);
          else await endNothing(context(command), image, flags.journal);
          return;
        }
        const task = { what: waiting.operation, image, flags };
        await report(context(command), task, (passphrase, { passphrase: newPassphrase }, run) =>
          resumeImage(image, { passphrase, newPassphrase, ...run }),
        );
      }),
    ["chatelaine luks resume disk.img --passphrase-file key.hex"],
  );
}

/** Whether it is LUKS2 that cryptsetup has re-encrypted and cannot finish. */
async function isDone(image: string): Promise<boolean> {
  return isReencryptionDone(image).catch((error: unknown) => {
    if (error instanceof LuksError) return false;
    throw error;
  });
}

async function finish(to: Context, image: string, flags: ImageFlags): Promise<void> {
  await report(to, { what: "reencrypt", image, flags }, (passphrase) =>
    finishReencryption(image, passphrase),
  );
}

/** Never calls it done: the operation may wait in another folder. */
async function endNothing(
  { print }: Context,
  image: string,
  journal: string | undefined,
): Promise<void> {
  const folder = journal ?? `${image}.chatelaine`;
  const refuse = (reason: string, options?: ErrorOptions) =>
    new LuksError("invalid_argument", `resume ${image}: ${reason}`, options);
  const status = await stat(image).catch((cause: unknown) => {
    throw refuse("no such file or device", { cause });
  });
  if (journal === undefined && status.isBlockDevice()) {
    throw refuse("give the journal folder of the operation with --journal");
  }
  if (journal !== undefined && !(await isThere(journal))) {
    throw refuse(`no such folder: ${journal}: give the journal of the operation with --journal`);
  }
  await requireNotAnothers(image);
  await forgetImage(image, journal === undefined ? {} : { journal });
  print(
    { operation: "resume", image, result: image, resumed: false },
    `nothing to resume: no interrupted operation in ${folder}\n`,
  );
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * What another tool has begun on an image is not for us to finish.
 *
 * @throws `in_reencryption`, `io`
 */
async function requireNotAnothers(image: string): Promise<void> {
  await checkHeader(image).catch((error: unknown) => {
    if (!(error instanceof LuksError)) throw error;
    if (error.code === "in_reencryption" || error.code === "io") throw error;
  });
}

interface Run {
  readonly onProgress: (progress: ImageProgress) => void;
  readonly threads?: number;
  readonly journal?: string;
}

interface Task {
  readonly what: string;
  readonly image: string;
  readonly target?: string | undefined;
  readonly flags: ImageFlags;
  /** The passphrase opens nothing yet. Default false. */
  readonly isNew?: boolean;
}

/** Runs an operation under a progress bar, and says what it has done. */
async function report(
  { terminal, print, warnOfUnseenUsers }: Context,
  { what, image, target, flags, isNew = false }: Task,
  work: (passphrase: Uint8Array, by: NewPassphrase, run: Run) => Promise<unknown>,
): Promise<void> {
  if (target === undefined) await warnOfUnseenUsers(what, image);
  const bar = progressBar(terminal, what, "bytes");
  const { threads, journal } = flags;
  const run = {
    onProgress: ({ doneBytes, totalBytes }: ImageProgress) => bar.update(doneBytes, totalBytes),
    ...(threads === undefined ? {} : { threads }),
    ...(journal === undefined ? {} : { journal }),
  };
  const asked = { subject: image, whenAbsent: "same", isNew } as const;
  const changesKey = target === undefined && (what === "reencrypt" || what === "convert");
  const gone = await withBothPassphrases(terminal, flags, asked, async (passphrase, by) => {
    const act = () => work(passphrase, by, run).finally(bar.end);
    if (changesKey) return slotsGone(image, act);
    await act();
    return [];
  });
  const result = target ?? image;
  const note = gone.length === 0 ? "" : `; removed key slots: ${gone.join(", ")}`;
  print(
    { operation: what, image, result, ...(gone.length > 0 && { slotsGone: gone }) },
    `${what}: done, ${result}${note}\n`,
  );
}

function formatOf(by: NewPassphrase, flags: ImageFlags): ImageFormat {
  const keyslots = [slotOf(by, flags)];
  const { luks1, cipher, sectorSize } = flags;
  if (luks1 === true && sectorSize !== undefined) {
    throw new LuksError("invalid_argument", "--sector-size: LUKS1 has sectors of 512 bytes");
  }
  if (luks1 === true) {
    return { version: 1, keyslots, ...(cipher === undefined ? {} : { cipher }) };
  }
  if (cipher !== undefined && cipher !== "aes-xts-plain64") {
    throw new LuksError("invalid_argument", "--cipher: LUKS2 is written with aes-xts-plain64");
  }
  return {
    version: 2,
    keyslots,
    ...(sectorSize === undefined ? {} : { sectorSize: sectorSize as 512 }),
  };
}

/** What opens the image, and the passphrase of the new header's slot. */
function withNewPassphrase(command: Command): Command {
  return addNewPassphraseFlags(addPassphraseFlags(command), "the same");
}
