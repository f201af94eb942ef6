import { constants } from "node:fs";
import { access, mkdir, statfs } from "node:fs/promises";
import { join, resolve } from "node:path";
import { KeyManagerError, type KeyManagerErrorCode } from "@chatelaine/keys";
import { openLedger } from "@chatelaine/volumes";
import { Command } from "commander";
import { demonstrate } from "../start/demonstration.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../start/embedded-server.ts";
import { record, wrapped } from "../terminal/output.ts";
import { parsePort, showSize } from "../terminal/sizes.ts";
import { stopRequested } from "../terminal/stop-requested.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { type Context, examples } from "./command.ts";

interface StartFlags {
  readonly once?: boolean;
  readonly dataDirectory?: string;
  readonly port?: number;
}

/** `chatelaine start`: a key server, and an encrypted disk with a key of its own, shown step by step. */
export function startCommand(context: (command: Command) => Context): Command {
  const start = new Command("start")
    .description("Start a key server and demonstrate an encrypted disk")
    .option("--once", "exit after the demonstration instead of serving until Ctrl-C")
    .option(
      "--data-directory <directory>",
      "folder of the server's data and the disk (default: ~/.local/share/chatelaine)",
    )
    .option(
      "--port <number>",
      "port of the server (default: the port of the last start, else 9311)",
      parsePort,
    )
    .action(async (flags: StartFlags, command: Command) => {
      const { terminal } = context(command);
      const stop = new AbortController();
      const stopped = stopRequested(stop.signal).then(() => stop.abort());
      const dataDirectory = dataDirectoryOf(terminal, flags);
      const server = await openServer(terminal, flags, dataDirectory);
      let failure: unknown;
      try {
        await showSession(terminal, server, dataDirectory, stop.signal);
        if (!stop.signal.aborted) {
          terminal.out(whatNext(terminal, server, flags.once === true));
          if (flags.once !== true) await stopped;
        }
        if (stop.signal.aborted)
          terminal.out("\nStopped; the next start finds everything again.\n");
      } catch (error) {
        failure = error;
      }
      stop.abort();
      // What went wrong first says more than what closing cannot do because of it.
      await server.close().catch((error: unknown) => {
        failure ??= error;
      });
      if (failure !== undefined) throw explained(failure, dataDirectory);
    });
  return examples(start, [
    "chatelaine start",
    "chatelaine start --once --data-directory /tmp/chatelaine --port 0",
  ]);
}

async function openServer(
  terminal: Terminal,
  { port }: StartFlags,
  dataDirectory: string,
): Promise<EmbeddedServer> {
  const began = performance.now();
  try {
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
    await access(dataDirectory, constants.R_OK | constants.W_OK | constants.X_OK);
    await requireRoom(dataDirectory);
    const server = await startEmbeddedServer({ dataDirectory, port });
    const took = Math.round(performance.now() - began);
    const title = `A key server that speaks Barbican's API (started in ${took} ms)`;
    terminal.out(wrapped(terminal, "", title));
    terminal.out(record({ "  at": server.url, "  data": dataDirectory }));
    return server;
  } catch (error) {
    throw explained(error, dataDirectory);
  }
}

/** In bytes: the databases with their logs, and what a disk image that is mostly holes takes. */
const neededBytes = 32 * 1024 * 1024;

/** SQLite on a full disk has more errors than one can explain. */
async function requireRoom(dataDirectory: string): Promise<void> {
  const { bavail, bsize } = await statfs(dataDirectory);
  if (bavail * bsize >= neededBytes) return;
  const free = `${showSize(bavail * bsize)} free, ${showSize(neededBytes)} needed`;
  throw Object.assign(new Error(free), { code: "ENOSPC" });
}

/** Says of what keeps the data directory from being used what to do about it. */
function explained(error: unknown, dataDirectory: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  const refused = (exit: KeyManagerErrorCode, reason: string) =>
    new KeyManagerError(exit, `start ${dataDirectory}: ${reason}`, { cause: error });
  if (/database or disk is full|ENOSPC/.test(`${message} ${code}`))
    return refused("unavailable", "the disk is full: make room and start again; nothing is lost");
  if (code !== undefined && /^(?:EACCES|EPERM|EROFS|EEXIST|ENOTDIR|ENOENT)$/.test(code))
    return refused(
      "invalid_argument",
      `cannot be written (${code}): choose another --data-directory`,
    );
  return error;
}

async function showSession(
  terminal: Terminal,
  server: EmbeddedServer,
  dataDirectory: string,
  signal: AbortSignal,
): Promise<void> {
  const directory = join(dataDirectory, "volumes");
  const ledger = openLedger({ path: join(dataDirectory, "volumes.sqlite") });
  try {
    await demonstrate({ terminal, server, ledger, directory, signal });
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  } finally {
    await ledger.close();
  }
}

function dataDirectoryOf(terminal: Terminal, { dataDirectory }: StartFlags): string {
  if (dataDirectory !== undefined) return resolve(terminal.workingDirectory, dataDirectory);
  const { environment, homeDirectory } = terminal;
  const data = environment["XDG_DATA_HOME"] || join(homeDirectory, ".local/share");
  return join(data, "chatelaine");
}

function whatNext(
  terminal: Terminal,
  { url, cloudsFile, cloud }: EmbeddedServer,
  once: boolean,
): string {
  if (once) return `\n${wrapped(terminal, "", "Done. Without --once the server goes on serving.")}`;
  return `
${wrapped(terminal, "", "The server goes on serving until Ctrl-C. In another terminal, here:")}
  export OS_CLOUD=${cloud}
  export OS_CLIENT_CONFIG_FILE=${cloudsFile}
  npx chatelaine key list
  npx chatelaine volume create my.img --size 1G
  openstack secret list

${wrapped(terminal, "", "(openstack is Debian's python3-openstackclient with python3-barbicanclient.)")}
${wrapped(terminal, "", `A console will be at ${url}/console; there is none yet.`)}`;
}
