import { join, resolve } from "node:path";
import { openLedger } from "@chatelaine/volumes";
import { Command } from "commander";
import { demonstrate } from "../demonstration.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../embedded-server.ts";
import { parsePort } from "../sizes.ts";
import { stopRequested } from "../stop-requested.ts";
import type { Terminal } from "../terminal.ts";
import { type Context, examples } from "./command.ts";

interface StartFlags {
  readonly once?: boolean;
  readonly dataDirectory?: string;
  readonly port?: number;
}

/** `chatelaine start`: a key server, and an encrypted disk with a key of its own, shown step by step. */
export function startCommand(context: (command: Command) => Context): Command {
  const start = new Command("start")
    .description("start a key server of your own, and show an encrypted disk whose key it made")
    .option("--once", "end after the session, instead of serving until Ctrl-C")
    .option(
      "--data-directory <directory>",
      "where the server's data and the disk are (default: ~/.local/share/chatelaine)",
    )
    .option(
      "--port <number>",
      "of the server (default: the one of last time, else 9311)",
      parsePort,
    )
    .action(async (flags: StartFlags, command: Command) => {
      const { terminal } = context(command);
      const stop = new AbortController();
      const stopped = stopRequested(stop.signal).then(() => stop.abort());
      const server = await openServer(terminal, flags);
      try {
        await showSession(terminal, server, dataDirectoryOf(terminal, flags), stop.signal);
        if (flags.once !== true && !stop.signal.aborted) {
          terminal.out(whatNext(server));
          await stopped;
        }
        if (stop.signal.aborted)
          terminal.out("\nStopped; the next start finds everything again.\n");
      } finally {
        stop.abort();
        await server.close();
      }
    });
  return examples(start, [
    "chatelaine start",
    "chatelaine start --once --data-directory /tmp/chatelaine --port 0",
  ]);
}

async function openServer(terminal: Terminal, flags: StartFlags): Promise<EmbeddedServer> {
  const dataDirectory = dataDirectoryOf(terminal, flags);
  const began = performance.now();
  const server = await startEmbeddedServer({ dataDirectory, port: flags.port });
  const took = Math.round(performance.now() - began);
  terminal.out(`A key server that speaks Barbican's API: ${server.url} (started in ${took} ms)\n`);
  terminal.out(`  its data: ${dataDirectory}\n`);
  return server;
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

function whatNext({ url, cloudsFile, cloud }: EmbeddedServer): string {
  return `
The server goes on serving until Ctrl-C. In another terminal:

  export OS_CLIENT_CONFIG_FILE=${cloudsFile} OS_CLOUD=${cloud}
  npx chatelaine key list
  npx chatelaine volume create my-disk.img --size 1G
  openstack secret list                     # Debian: python3-openstackclient python3-barbicanclient

A console will be at ${url}/console; there is none yet.
`;
}
