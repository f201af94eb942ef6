import { readFile } from "node:fs/promises";
import {
  addKeyslot,
  addToken,
  backupHeader,
  changePassphrase,
  formatLuks1,
  formatLuks2,
  type KeyslotInfo,
  type KeyslotPriority,
  type KeyslotSpec,
  killKeyslot,
  LuksError,
  listTokens,
  readLuks,
  removeToken,
  repairHeader,
  restoreHeader,
  setKeyslotPriority,
  testPassphrase,
} from "@chatelaine/luks";
import { Argument, type Command } from "commander";
import { record, table } from "../terminal/output.ts";
import {
  addNewPassphraseFlags,
  addPassphraseFlags,
  type NewPassphraseFlags,
  type PassphraseFlags,
  withBothPassphrases,
  withPassphrase,
} from "../terminal/passphrase-flags.ts";
import { parseSize } from "../terminal/sizes.ts";
import { addSlotFlags, parseNumber, type SlotFlags, slotOf } from "../terminal/slot-flags.ts";
import { type Context, examples, noun } from "./command.ts";
import { dumpText } from "./luks-dump.ts";
import { addImageCommands } from "./luks-image.ts";

/** `chatelaine luks …`: disks and images without a key manager, root, or cryptsetup. */
export function luksCommand(context: (command: Command) => Context): Command {
  const luks = noun("luks", "Show, create and change LUKS disks and images");

  examples(
    luks
      .command("dump")
      .description("Show a LUKS header")
      .argument("<path>")
      .action(async (path: string, _options: object, command: Command) => {
        const header = await readLuks(path);
        context(command).print(header, dumpText(header));
      }),
    ["chatelaine luks dump disk.img", "chatelaine luks dump disk.img --json"],
  );

  examples(
    addSlotFlags(
      addPassphraseFlags(
        luks
          .command("format")
          .description("Create a LUKS disk on a blank device or file")
          .argument("<path>"),
      ),
    )
      .option("--luks1", "create LUKS1 instead of LUKS2")
      .option(
        "--sector-size <bytes>",
        "encryption sector size: 512, 1024, 2048 or 4096; LUKS2 only",
        parseNumber,
      )
      .option("--label <text>", "label of at most 47 bytes; LUKS2 only")
      .option("--data-offset <size>", "offset of the data on the disk", parseSize)
      .option(
        "--allow-destroying-data <kinds...>",
        "kinds of existing data to overwrite, as the error lists them: ext, luks, unrecognised, …",
      )
      .action(async (path: string, options: FormatFlags, command: Command) => {
        const { print, terminal } = context(command);
        const made = await withPassphrase(
          terminal,
          options,
          path,
          (passphrase) => format(path, passphrase, options),
          { isNew: true },
        );
        print(made, record({ uuid: made.uuid, "key slots": made.slots.join(", ") }));
      }),
    [
      "chatelaine luks format disk.img --passphrase-file key.hex --entropy-bits 256",
      "chatelaine luks format /dev/vg0/data --passphrase-file - --allow-destroying-data ext",
    ],
  );

  addSlotCommands(luks, context);
  addTokenCommands(luks, context);
  addHeaderCommands(luks, context);
  addImageCommands(luks, context);
  return luks;
}

interface FormatFlags extends PassphraseFlags, SlotFlags {
  readonly luks1?: boolean;
  readonly sectorSize?: number;
  readonly label?: string;
  readonly dataOffset?: number;
  readonly allowDestroyingData?: readonly string[];
}

async function format(path: string, passphrase: Uint8Array, flags: FormatFlags) {
  const { sectorSize, label, dataOffset, allowDestroyingData } = flags;
  const common = {
    keyslots: [slotOf({ passphrase, isSame: false }, flags)],
    ...(dataOffset === undefined ? {} : { dataOffset }),
    ...(allowDestroyingData === undefined ? {} : { allowDestroyingData }),
  };
  if (flags.luks1 === true) {
    if (sectorSize !== undefined || label !== undefined) {
      throw new LuksError("invalid_argument", `format ${path}: LUKS1 has no label or sector size`);
    }
    return formatLuks1(path, common);
  }
  return formatLuks2(path, {
    ...common,
    ...(label === undefined ? {} : { label }),
    ...(sectorSize === undefined ? {} : { sectorSize: sectorSize as 512 }),
  });
}

function addSlotCommands(luks: Command, context: (command: Command) => Context): void {
  const slots = luks.command("slots").description("List, add, change, remove and test key slots");

  examples(
    slots
      .command("list")
      .argument("<path>")
      .description("List the key slots in use")
      .action(async (path: string, _options: object, command: Command) => {
        const { print, terminal } = context(command);
        const { keyslots } = await readLuks(path);
        const columns = [
          { heading: "slot", cell: (row: (typeof keyslots)[number]) => row.slot },
          { heading: "priority", cell: (row: (typeof keyslots)[number]) => row.priority },
          { heading: "derivation", cell: derivation },
        ];
        print(keyslots, table(terminal, columns, keyslots));
      }),
    ["chatelaine luks slots list disk.img"],
  );

  examples(
    withSlotPassphrases(slots.command("add").argument("<path>").description("Add a passphrase"))
      .option(
        "--slot <number>",
        "number of the new slot (default: the lowest free slot)",
        parseNumber,
      )
      .action(async (path: string, flags: NewSlotFlags, command: Command) => {
        const { print } = context(command);
        const slot = await withBoth(context(command), path, flags, (old, by) =>
          addKeyslot(path, old, {
            ...by,
            ...(flags.slot === undefined ? {} : { slot: flags.slot }),
          }),
        );
        print({ slot }, `added key slot ${slot}\n`);
      }),
    ["chatelaine luks slots add disk.img --passphrase-file old --new-passphrase-file new"],
  );

  examples(
    withSlotPassphrases(
      slots.command("change").argument("<path>").description("Replace a passphrase"),
    ).action(async (path: string, flags: NewSlotFlags, command: Command) => {
      const { print } = context(command);
      const slot = await withBoth(context(command), path, flags, (old, by) =>
        changePassphrase(path, old, by),
      );
      print({ slot }, `changed key slot ${slot}\n`);
    }),
    ["chatelaine luks slots change disk.img --passphrase-file old --new-passphrase-file new"],
  );

  examples(
    slots
      .command("kill")
      .argument("<path>")
      .argument("<slot>", "slot number", parseNumber)
      .description("Erase a key slot, but never the last one")
      .action(async (path: string, slot: number, _options: object, command: Command) => {
        await killKeyslot(path, slot);
        context(command).print({ killed: slot }, `killed key slot ${slot}\n`);
      }),
    ["chatelaine luks slots kill disk.img 1"],
  );

  examples(
    slots
      .command("priority")
      .argument("<path>")
      .argument("<slot>", "slot number", parseNumber)
      .addArgument(new Argument("<priority>").choices(["ignore", "normal", "prefer"]))
      .description("Set the priority of a key slot; LUKS2 only")
      .action(
        async (
          path: string,
          slot: number,
          priority: KeyslotPriority,
          _options: object,
          command: Command,
        ) => {
          await setKeyslotPriority(path, slot, priority);
          context(command).print({ slot, priority }, `key slot ${slot}: ${priority}\n`);
        },
      ),
    ["chatelaine luks slots priority disk.img 0 prefer"],
  );

  examples(
    addPassphraseFlags(
      slots
        .command("test")
        .argument("<path>")
        .description("Find the slot that a passphrase opens; writes nothing"),
    ).action(async (path: string, flags: NewSlotFlags, command: Command) => {
      const { print, terminal } = context(command);
      const slot = await withPassphrase(terminal, flags, path, (passphrase) =>
        testPassphrase(path, passphrase),
      );
      print({ slot }, `key slot ${slot} opens\n`);
    }),
    ["chatelaine luks slots test disk.img --passphrase-file key.hex"],
  );
}

interface NewSlotFlags extends NewPassphraseFlags, SlotFlags {
  readonly slot?: number;
}

/** What opens the disk, and the passphrase of the slot that is made. */
function withSlotPassphrases(command: Command): Command {
  const line = "the next line of standard input";
  return addSlotFlags(addNewPassphraseFlags(addPassphraseFlags(command), line));
}

function withBoth<T>(
  { terminal }: Context,
  subject: string,
  flags: NewSlotFlags,
  use: (old: Uint8Array, by: KeyslotSpec) => Promise<T>,
): Promise<T> {
  return withBothPassphrases(terminal, flags, { subject, whenAbsent: "line" }, (old, by) =>
    use(old, slotOf(by, flags)),
  );
}

function addTokenCommands(luks: Command, context: (command: Command) => Context): void {
  const token = luks.command("token").description("List, add and remove LUKS2 tokens");

  examples(
    token
      .command("list")
      .argument("<path>")
      .description("List the tokens")
      .action(async (path: string, _options: object, command: Command) => {
        const { print, terminal } = context(command);
        const tokens = await listTokens(path);
        const columns = [
          { heading: "token", cell: (row: (typeof tokens)[number]) => row.id },
          { heading: "type", cell: (row: (typeof tokens)[number]) => row.token.type },
          {
            heading: "slots",
            cell: (row: (typeof tokens)[number]) => row.token.keyslots.join(" "),
          },
        ];
        print(tokens, table(terminal, columns, tokens));
      }),
    ["chatelaine luks token list disk.img", "chatelaine luks token list disk.img --json"],
  );

  examples(
    token
      .command("add")
      .argument("<path>")
      .argument("<json-file>", "file with a LUKS2 token, or - for standard input")
      .description("Add a token")
      .action(async (path: string, file: string, _options: object, command: Command) => {
        const text = await textOf(context(command), file);
        const id = await addToken(path, requireJson(file, text));
        context(command).print({ token: id }, `added token ${id}\n`);
      }),
    ["chatelaine luks token add disk.img token.json"],
  );

  examples(
    token
      .command("remove")
      .argument("<path>")
      .argument("<number>", "token number", parseNumber)
      .description("Remove a token")
      .action(async (path: string, id: number, _options: object, command: Command) => {
        await removeToken(path, id);
        context(command).print({ removed: id }, `removed token ${id}\n`);
      }),
    ["chatelaine luks token remove disk.img 0"],
  );
}

function addHeaderCommands(luks: Command, context: (command: Command) => Context): void {
  examples(
    luks
      .command("backup")
      .argument("<path>")
      .argument("<file>", "new file; protect it as well as the disk")
      .description("Back up the header and its key slots to a file")
      .action(async (path: string, file: string, _options: object, command: Command) => {
        await backupHeader(path, file);
        context(command).print({ backup: file }, `backed up the header of ${path} to ${file}\n`);
      }),
    ["chatelaine luks backup disk.img disk.header"],
  );

  examples(
    luks
      .command("restore")
      .argument("<path>")
      .argument("<file>", "header backup of the same disk")
      .description("Restore a header backup to its disk")
      .option(
        "--unproven-uuid <uuid>",
        "confirm the UUID of the backup if the disk has no readable header",
      )
      .action(
        async (path: string, file: string, flags: { unprovenUuid?: string }, command: Command) => {
          const { unprovenUuid } = flags;
          await restoreHeader(path, file, unprovenUuid === undefined ? {} : { unprovenUuid });
          context(command).print({ restored: path }, `restored the header of ${path}\n`);
        },
      ),
    ["chatelaine luks restore disk.img disk.header"],
  );

  examples(
    luks
      .command("repair")
      .argument("<path>")
      .description("Repair a damaged copy of a LUKS2 header from the intact one")
      .option(
        "--over <kinds...>",
        "kinds of other data to overwrite, as the error lists them: lvm, gpt, ext, …; luks erases the LUKS header instead",
      )
      .action(async (path: string, { over }: { over?: readonly string[] }, command: Command) => {
        const repaired = await repairHeader(path, over === undefined ? {} : { over });
        const done = over?.includes("luks") ? "erased the old LUKS header" : "repaired the header";
        const text = repaired ? done : "nothing to repair";
        context(command).print({ repaired }, `${text}\n`);
      }),
    ["chatelaine luks repair disk.img", "chatelaine luks repair /dev/sdb --over lvm"],
  );
}

/** In bytes: LUKS2 has no larger metadata. */
const maxTokenBytes = 4 * 1024 * 1024;

async function textOf({ terminal }: Context, file: string): Promise<string> {
  if (file !== "-") return readFile(file, "utf8");
  if (terminal.input === undefined) {
    throw new LuksError("invalid_argument", "add token: there is no standard input");
  }
  return Buffer.from(await terminal.input.bytes.take(maxTokenBytes)).toString("utf8");
}

/** The text itself is stored: numbers that JavaScript rounds stay as they are. */
function requireJson(file: string, text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch (cause) {
    throw new LuksError("invalid_argument", `add token ${file}: not valid JSON`, { cause });
  }
}

function derivation({ kdf, kdfType }: KeyslotInfo): string {
  if (kdfType === "") return "(none)";
  return kdf === undefined ? `${kdfType} (unsupported)` : kdfType;
}
