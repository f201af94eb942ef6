import { spawn } from "node:child_process";
import { LuksError, readLuks, testPassphrase } from "@chatelaine/luks";
import { type Image, passphrase } from "./image.ts";

/** What a reader says of an image. */
export interface Verdict {
  /** Of the header, for a dump. */
  readonly dump: "accepted" | "refused";
  /** What the dump says of it, for comparison: which copy was taken, where the data and the slots are. */
  readonly shows: string;
  /** Of the passphrase: `opens slot N`, `does not open`, or `refused` whatever the passphrase. */
  readonly open: string;
  /** In the reader's own words, if it refused. */
  readonly reason: string;
}

/** What cryptsetup calls "No key available with this passphrase". */
const noPermission = 2;

/** Asks the installed cryptsetup. It may repair the image while it does so. */
export async function cryptsetupVerdict(path: string, image: Image): Promise<Verdict> {
  const place = image.detached ? ["--header", path, `${path}.data`] : [path];
  const dump = await cryptsetup(["luksDump", ...place]);
  const test = ["open", "--test-passphrase", "--disable-external-tokens", "--verbose"];
  const open = await cryptsetup([...test, "--key-file", "-", ...place], secretOf(image));
  const slot = /Key slot (\d+) unlocked/.exec(open.stdout)?.[1];
  return {
    dump: dump.status === 0 ? "accepted" : "refused",
    shows: dump.status === 0 ? shownByCryptsetup(dump.stdout) : "",
    open:
      open.status === 0 && slot !== undefined
        ? `opens slot ${slot}`
        : open.status === noPermission
          ? "does not open"
          : "refused",
    reason: [...new Set([dump.stderr, open.stderr].map((text) => text.trim()))].join(" / "),
  };
}

/** Asks the library, in this process. @throws what is no LuksError, which is a fault of the library */
export async function ourVerdict(path: string, image: Image): Promise<Verdict> {
  const header = await readLuks(path).catch(refusal);
  const slot = await testPassphrase(path, secretOf(image)).catch(refusal);
  const wrong = slot instanceof LuksError && slot.code === "wrong_passphrase";
  return {
    dump: header instanceof LuksError ? "refused" : "accepted",
    shows: header instanceof LuksError ? "" : shownByUs(header),
    open: typeof slot === "number" ? `opens slot ${slot}` : wrong ? "does not open" : "refused",
    reason: [...new Set([header, slot].flatMap(reasonOf))].join(" / "),
  };
}

function secretOf(image: Image): Uint8Array {
  return image.passphrase ?? passphrase;
}

function refusal(error: unknown): LuksError {
  if (error instanceof LuksError) return error;
  throw error;
}

/** Without the name of the file. */
function reasonOf(result: unknown): string[] {
  if (!(result instanceof LuksError)) return [];
  return [`${result.code}: ${result.message.replace(/^[a-z ]+ \S+: /, "")}`];
}

function shownByUs(header: Awaited<ReturnType<typeof readLuks>>): string {
  const { version, sequence, uuid, keyslots, volumeKeyBitLength, dataOffset } = header;
  const slots = keyslots.map(({ slot }) => slot).join();
  if (version === 1) {
    return `LUKS1 ${uuid}, key ${volumeKeyBitLength}, data ${dataOffset / 512}, slots ${slots}`;
  }
  const segments = header.segments.map(({ offset }) => offset).join();
  return `LUKS2 ${uuid}, write ${sequence}, data ${segments}, slots ${slots}`;
}

function shownByCryptsetup(dump: string): string {
  const line = (pattern: RegExp) => pattern.exec(dump)?.[1] ?? "";
  const lines = (pattern: RegExp) => [...dump.matchAll(pattern)].map((match) => match[1]).join();
  const uuid = line(/^UUID:[ \t]*(.*)$/m).replace(/^\(no UUID\)$/, "");
  if (/^Version:[ \t]*1$/m.test(dump)) {
    const slots = lines(/^Key Slot (\d): ENABLED$/gm);
    const [bits, payload] = [line(/^MK bits:[ \t]*(\d+)/m), line(/^Payload offset:[ \t]*(\d+)/m)];
    return `LUKS1 ${uuid}, key ${bits}, data ${payload}, slots ${slots}`;
  }
  const sections = dump.split(/^(?=Data segments:|Keyslots:|Tokens:|Digests:)/m);
  const keyslots = sections.find((section) => section.startsWith("Keyslots:")) ?? "";
  const slots = [...keyslots.matchAll(/^ {2}(\d+): /gm)].map((match) => match[1]).join();
  const segments = lines(/^\toffset: (\d+) \[bytes\]$/gm);
  return `LUKS2 ${uuid}, write ${line(/^Epoch:[ \t]*(\d+)/m)}, data ${segments}, slots ${slots}`;
}

interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a shell calls the end by SIGABRT. */
const aborted = 134;

/** Longer than any image takes, even on a busy machine. */
const timeoutMs = 60_000;

/** Runs cryptsetup to its end. @throws Error if it takes too long */
export function cryptsetup(args: readonly string[], input?: Uint8Array): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn("cryptsetup", ["--batch-mode", ...args], {
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      env: { ...process.env, LC_ALL: "C" },
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    }
    // It may end before it has read its input.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    child.on("error", reject);
    child.on("close", (status, signal) => {
      if (signal === "SIGKILL") reject(new Error(`${args[0]}: took over ${timeoutMs} ms`));
      // cryptsetup has assertions, which end it by another signal.
      else resolve({ status: status ?? aborted, ...output });
    });
  });
}
