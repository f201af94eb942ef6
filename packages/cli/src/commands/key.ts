import {
  KeyManagerError,
  type ObjectInfo,
  type ObjectType,
  objectId,
  objectTypes,
  suggestion,
} from "@chatelaine/keys";
import type { Command } from "commander";
import { record, table, time } from "../terminal/output.ts";
import { writeSecret } from "../terminal/secret-output.ts";
import { type Context, examples, noun } from "./command.ts";

/** `chatelaine key …` */
export function keyCommand(context: (command: Command) => Context): Command {
  const key = noun("key", "Create, show and delete objects in the key manager");

  examples(
    key
      .command("create")
      .description("Generate a key in the key manager and print its id")
      .option("--algorithm <name>", "aes, hmacsha256, …", "aes")
      .option("--bit-length <bits>", "key length; 512 is an AES-256 key for XTS", parseBits, 256)
      .option(
        "--mode <mode>",
        "cipher mode: xts or cbc (default: xts for AES keys of more than 256 bits)",
      )
      .option("--name <name>", "name of the key (default: a unique name)")
      .option(
        "--expires <time>",
        "expiration time in ISO 8601, such as 2027-01-01T00:00:00Z",
        parseTime,
      )
      .action(async (options: CreateFlags, command: Command) => {
        const { print, open } = context(command);
        const { keyManager, caller } = open();
        const { algorithm, bitLength, mode, name, expires: expiration } = options;
        const id = await keyManager.createKey(caller, {
          algorithm,
          bitLength,
          mode,
          name,
          expiration,
        });
        print({ id }, `${id}\n`);
      }),
    [
      "chatelaine key create --name backup-2027",
      "chatelaine key create --bit-length 512 --mode xts --json",
    ],
  );

  examples(
    key
      .command("get")
      .description("Show an object's metadata; its bytes only with --output")
      .argument("<id>", "id or reference (URL) of the object")
      .option(
        "--output <file>",
        "write the bytes to a new file of mode 0600, or to standard output with -",
      )
      .action(async (id: string, options: { readonly output?: string }, command: Command) => {
        const checkedId = objectId(id);
        const { print, open, terminal } = context(command);
        const { keyManager, caller } = open();
        if (options.output === undefined) {
          const info = await keyManager.describe(caller, checkedId);
          print(info, record(attributesOf(info)));
          return;
        }
        const { value } = await keyManager.get(caller, checkedId);
        await writeSecret(terminal, options.output, value);
      }),
    [
      "chatelaine key get 2f1e…",
      "chatelaine key get 2f1e… --output key.bin",
      "chatelaine key get 2f1e… --output - | xxd",
    ],
  );

  examples(
    key
      .command("list")
      .description("List all objects of the project, oldest first")
      .option("--type <type>", objectTypes.join(", "), parseType)
      .option("--name <name>", "exact name")
      .action(
        async (
          filter: { readonly type?: ObjectType; readonly name?: string },
          command: Command,
        ) => {
          const { print, open, terminal } = context(command);
          const { keyManager, caller } = open();
          const found = await Array.fromAsync(keyManager.list(caller, filter));
          print(found, table(terminal, listColumns, found));
        },
      ),
    ["chatelaine key list", "chatelaine key list --type symmetric --json"],
  );

  examples(
    key
      .command("delete")
      .description("Delete an object; refused while consumers need it")
      .argument("<id>", "id or reference (URL) of the object")
      .option(
        "--force",
        "delete the object even if consumers need it; data that it encrypts is lost",
      )
      .action(async (id: string, options: { readonly force?: boolean }, command: Command) => {
        const checkedId = objectId(id);
        const { print, open } = context(command);
        const { keyManager, caller } = open();
        await keyManager.delete(caller, checkedId, { force: options.force });
        print({ id: checkedId, deleted: true }, `deleted ${checkedId}\n`);
      }),
    ["chatelaine key delete 2f1e…"],
  );
  return key;
}

interface CreateFlags {
  readonly algorithm: string;
  readonly bitLength: number;
  readonly mode?: string;
  readonly name?: string;
  readonly expires?: Date;
}

const listColumns = [
  { heading: "id", cell: (info: ObjectInfo) => info.id },
  { heading: "name", cell: (info: ObjectInfo) => info.name },
  { heading: "type", cell: (info: ObjectInfo) => info.type },
  { heading: "algorithm", cell: algorithmOf },
  { heading: "created", cell: (info: ObjectInfo) => time(info.created)?.slice(0, 10) },
];

function algorithmOf({ algorithm, bitLength }: ObjectInfo): string | undefined {
  return bitLength === undefined ? algorithm : `${algorithm ?? "-"}-${bitLength}`;
}

function attributesOf(info: ObjectInfo) {
  return {
    id: info.id,
    name: info.name,
    type: info.type,
    algorithm: info.algorithm,
    "bit length": info.bitLength,
    mode: info.mode,
    "content type": info.contentType,
    created: time(info.created),
    updated: time(info.updated),
    expires: time(info.expiration),
    consumers:
      info.consumers
        .map(({ service, resourceType, resourceId }) => `${service}/${resourceType}/${resourceId}`)
        .join(", ") || "none",
  };
}

function parseBits(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw invalid(`--bit-length ${text}: give a number of bits, such as 256`);
}

function parseTime(text: string): Date {
  const parsed = new Date(text);
  if (!Number.isNaN(parsed.getTime())) return parsed;
  throw invalid(`--expires ${text}: give a time such as 2027-01-01T00:00:00Z`);
}

function parseType(text: string): ObjectType {
  const type = objectTypes.find((candidate) => candidate === text);
  if (type !== undefined) return type;
  throw invalid(`--type ${text}: unknown type${suggestion(text, objectTypes)}`);
}

function invalid(message: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", message);
}
