import {
  decryptImage,
  encryptImage,
  type ImageProgress,
  interruptedOperation,
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
}

const passphraseFlag = [
  "--passphrase-file <file>",
  "the file's bytes as they are; - is standard input",
] as const;
const entropyFlag = ["--entropy-bits <bits>", "of the passphrase", parseCount] as const;
const outputFlag = ["--output <file>", "a new file; default: in place"] as const;
const threadsFlag = ["--threads <number>", "worker threads", parseCount] as const;

/** `chatelaine luks encrypt | decrypt | reencrypt | resume` */
export function addImageCommands(luks: Command, context: (command: Command) => Context): void {
  examples(
    luks
      .command("encrypt")
      .argument("<image>")
      .description("encrypt a raw image, in place or into a new file")
      .requiredOption(...passphraseFlag)
      .option(...entropyFlag)
      .option(...outputFlag)
      .option("--luks1", "LUKS1 instead of LUKS2, for QEMU")
      .option("--sector-size <bytes>", "512, 1024, 2048 or 4096; LUKS2 only", parseCount)
      .option(...threadsFlag)
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const target = flags.output;
        await report(context(command), "encrypt", image, target, flags, (passphrase, run) => {
          const keyslots = [slotOf(passphrase, flags)];
          const { sectorSize } = flags;
          const format =
            flags.luks1 === true
              ? ({ version: 1, keyslots } as const)
              : ({
                  version: 2,
                  keyslots,
                  ...(sectorSize === undefined ? {} : { sectorSize: sectorSize as 512 }),
                } as const);
          return encryptImage(image, {
            format,
            ...run,
            ...(target === undefined ? {} : { target }),
          });
        });
      }),
    ["chatelaine luks encrypt disk.raw --passphrase-file key.hex --entropy-bits 256"],
  );

  examples(
    luks
      .command("decrypt")
      .argument("<image>")
      .description("decrypt a LUKS image, in place or into a new file")
      .requiredOption(...passphraseFlag)
      .option(...outputFlag)
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
      .command("reencrypt")
      .argument("<image>")
      .description("give an image a new volume key, and encrypt every sector anew")
      .requiredOption(...passphraseFlag)
      .option("--new-passphrase-file <file>", "of the new header's slot; default: the same")
      .option(...entropyFlag)
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
      .description("finish an encryption, decryption or re-encryption that was cut")
      .requiredOption(...passphraseFlag)
      .option("--new-passphrase-file <file>", "of a re-encryption; default: the same")
      .action(async (image: string, flags: ImageFlags, command: Command) => {
        const { terminal } = context(command);
        const waiting = await interruptedOperation(image);
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
}

/** Runs an operation under a progress bar, and says what it has done. */
async function report(
  { terminal, print }: Context,
  what: string,
  image: string,
  target: string | undefined,
  { passphraseFile, threads }: ImageFlags,
  work: (passphrase: Uint8Array, run: Run) => Promise<unknown>,
): Promise<void> {
  const bar = progressBar(terminal, what);
  const run = { onProgress: bar.update, ...(threads === undefined ? {} : { threads }) };
  await withPassphraseFile(terminal, passphraseFile, (passphrase) =>
    work(passphrase, run).finally(bar.end),
  );
  const result = target ?? image;
  print({ operation: what, image, result }, `${what}: done, ${result}\n`);
}

function slotOf(passphrase: Uint8Array, { entropyBits }: ImageFlags) {
  return { passphrase, ...(entropyBits === undefined ? {} : { entropyBits }) };
}

function parseCount(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError("give a number");
  return Number(text);
}
