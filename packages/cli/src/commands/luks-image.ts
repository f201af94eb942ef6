import { availableParallelism } from "node:os";
import {
  convertImage,
  decryptImage,
  encryptImage,
  type ImageFormat,
  type ImageProgress,
  interruptedOperation,
  LuksError,
  reencryptImage,
  resumeImage,
} from "@chatelaine/luks";
import { type Command, InvalidArgumentError } from "commander";
import { withPassphraseFile } from "../passphrase-file.ts";
import { progressBar } from "../progress-bar.ts";
import { type Context, examples } from "./command.ts";

interface ImageFlags {
  readonly passphraseFile: string;
  readonly newPassphraseFile?: string;
  readonly entropyBits?: number;
  readonly output?: string;
  readonly luks1?: boolean;
  readonly sectorSize?: number;
  readonly threads?: number;
  readonly cipher?: string;
  readonly journal?: string;
  readonly allowDestroyingData?: readonly string[];
}

/** More threads than this gain nothing: they wait for each other's writes to one file. */
const mostThreads = 2;

const passphraseFlag = [
  "--passphrase-file <file>",
  "the file's bytes as they are; - is standard input",
] as const;
const entropyFlag = ["--entropy-bits <bits>", "of the passphrase", parseCount] as const;
const outputFlag = ["--output <file>", "a new file; default: in place"] as const;
const threadsFlag = [
  "--threads <number>",
  "worker threads; 1 is none",
  parseCount,
  Math.min(mostThreads, availableParallelism()),
] as const;
const journalFlag = [
  "--journal <folder>",
  "for what a resumption needs; default: IMAGE.chatelaine; a block device needs one",
] as const;
const luks1Flag = ["--luks1", "LUKS1 instead of LUKS2, for QEMU"] as const;
const sectorSizeFlag = [
  "--sector-size <bytes>",
  "512, 1024, 2048 or 4096; LUKS2 only",
  parseCount,
] as const;

/** `chatelaine luks encrypt | decrypt | convert | reencrypt | resume` */
export function addImageCommands(luks: Command, context: (command: Command) => Context): void {
  examples(
    luks
      .command("encrypt")
      .argument("<image>")
      .description("encrypt a raw image, in place or into a new file")
      .requiredOption(...passphraseFlag)
      .option(...entropyFlag)
      .option(...outputFlag)
      .option(...luks1Flag)
      .option(...sectorSizeFlag)
      .option(
        "--allow-destroying-data <kinds...>",
        "unrecognised: the end of a block device is not zero, but free",
      )
      .option(...journalFlag)
      .option(...threadsFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const target = flags.output;
        await report(context(command), "encrypt", image, target, flags, (passphrase, run) => {
          const { allowDestroyingData } = flags;
          return encryptImage(image, {
            format: formatOf(passphrase, flags),
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
    luks
      .command("decrypt")
      .argument("<image>")
      .description("decrypt a LUKS image, in place or into a new file")
      .requiredOption(...passphraseFlag)
      .option(...outputFlag)
      .option(...journalFlag)
      .option(...threadsFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const target = flags.output;
        await report(context(command), "decrypt", image, target, flags, (passphrase, run) =>
          decryptImage(image, { passphrase, ...run, ...(target === undefined ? {} : { target }) }),
        );
      }),
    ["chatelaine luks decrypt disk.img --passphrase-file key.hex --output disk.raw"],
  );

  examples(
    luks
      .command("convert")
      .argument("<image>")
      .description("make another kind of LUKS of an image, in place or into a new file")
      .requiredOption(...passphraseFlag)
      .option("--new-passphrase-file <file>", "of the new header's slot; default: the same")
      .option(...entropyFlag)
      .option(...outputFlag)
      .option(...luks1Flag)
      .option("--cipher <name>", "default: aes-xts-plain64; LUKS1 only")
      .option(...sectorSizeFlag)
      .option(...journalFlag)
      .option(...threadsFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const { terminal } = context(command);
        const target = flags.output;
        await report(context(command), "convert", image, target, flags, (passphrase, run) =>
          withPassphraseFile(terminal, flags.newPassphraseFile ?? flags.passphraseFile, (by) =>
            convertImage(image, {
              passphrase,
              format: formatOf(by, flags),
              ...run,
              ...(target === undefined ? {} : { target }),
            }),
          ),
        );
      }),
    ["chatelaine luks convert disk.img --luks1 --passphrase-file key.hex --entropy-bits 256"],
  );

  examples(
    luks
      .command("reencrypt")
      .argument("<image>")
      .description("give an image a new volume key, and encrypt every sector anew")
      .requiredOption(...passphraseFlag)
      .option("--new-passphrase-file <file>", "of the new header's slot; default: the same")
      .option(...entropyFlag)
      .option(...journalFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const { terminal } = context(command);
        await report(context(command), "reencrypt", image, undefined, flags, (passphrase, run) =>
          withPassphraseFile(terminal, flags.newPassphraseFile ?? flags.passphraseFile, (by) =>
            reencryptImage(image, { passphrase, keyslots: [slotOf(by, flags)], ...run }),
          ),
        );
      }),
    ["chatelaine luks reencrypt disk.img --passphrase-file key.hex --entropy-bits 256"],
  );

  examples(
    luks
      .command("resume")
      .argument("<image>", "or the new file of a copy")
      .description("finish an encryption, decryption, conversion or re-encryption that was cut")
      .requiredOption(...passphraseFlag)
      .option("--new-passphrase-file <file>", "of a conversion or re-encryption; default: the same")
      .option(...journalFlag)
      .option(...threadsFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const { terminal } = context(command);
        const { journal } = flags;
        const waiting = await interruptedOperation(image, journal === undefined ? {} : { journal });
        await report(
          context(command),
          waiting?.operation ?? "resume",
          image,
          undefined,
          flags,
          (passphrase, run) =>
            withPassphraseFile(
              terminal,
              flags.newPassphraseFile ?? flags.passphraseFile,
              (newPassphrase) => resumeImage(image, { passphrase, newPassphrase, ...run }),
            ),
        );
      }),
    ["chatelaine luks resume disk.img --passphrase-file key.hex"],
  );
}

interface Run {
  readonly onProgress: (progress: ImageProgress) => void;
  readonly threads?: number;
  readonly journal?: string;
}

/** Runs an operation under a progress bar, and says what it has done. */
async function report(
  { terminal, print }: Context,
  what: string,
  image: string,
  target: string | undefined,
  { passphraseFile, threads, journal }: ImageFlags,
  work: (passphrase: Uint8Array, run: Run) => Promise<unknown>,
): Promise<void> {
  const bar = progressBar(terminal, what);
  const run = {
    onProgress: bar.update,
    ...(threads === undefined ? {} : { threads }),
    ...(journal === undefined ? {} : { journal }),
  };
  await withPassphraseFile(terminal, passphraseFile, (passphrase) =>
    work(passphrase, run).finally(bar.end),
  );
  const result = target ?? image;
  print({ operation: what, image, result }, `${what}: done, ${result}\n`);
}

function formatOf(passphrase: Uint8Array, flags: ImageFlags): ImageFormat {
  const keyslots = [slotOf(passphrase, flags)];
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

function slotOf(passphrase: Uint8Array, { entropyBits }: ImageFlags) {
  return { passphrase, ...(entropyBits === undefined ? {} : { entropyBits }) };
}

function parseCount(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError("give a number");
  return Number(text);
}
