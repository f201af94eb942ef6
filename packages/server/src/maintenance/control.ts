import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server } from "node:http";

/** Commands by name; arguments and results are JSON. */
export type Commands = Readonly<Record<string, (...args: readonly string[]) => Promise<unknown>>>;

/** What a command of a running server failed with; `message` is for its administrator. */
export class ControlError extends Error {
  override readonly name = "ControlError";
}

/** A socket in the data directory by which administrators of this host command the running server. */
export interface Control {
  close(): Promise<void>;
}

/** A long report of `audit verify` has chains enough for this. */
const maxRequestBytes = 1_048_576;

/** Opens the socket, mode 0600: file permissions are what guards it. */
export async function openControl(path: string, commands: Commands): Promise<Control> {
  rmSync(path, { force: true }); // of an earlier life; the database's lock says that it ended
  const server = createServer((incoming, outgoing) => {
    void answer(commands, incoming).then((reply) => {
      outgoing.setHeader("content-type", "application/json");
      return outgoing.end(JSON.stringify(reply));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
  chmodSync(path, 0o600);
  server.unref();
  return { close: () => closeServer(server) };
}

interface Reply {
  readonly result?: unknown;
  readonly error?: string;
}

async function answer(commands: Commands, incoming: IncomingMessage): Promise<Reply> {
  try {
    const { command, args } = JSON.parse(await readAll(incoming)) as Record<string, unknown>;
    const run = Object.hasOwn(commands, String(command)) ? commands[String(command)] : undefined;
    if (!run) return { error: `unknown command ${String(command)}` };
    return { result: (await run(...(args as string[]))) ?? null };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Has the running server carry out a command.
 *
 * @returns undefined if no server runs there
 * @throws ControlError if the command failed
 */
export async function callControl(
  path: string,
  command: string,
  args: readonly string[],
): Promise<{ readonly result: unknown } | undefined> {
  const text = await new Promise<string | undefined>((resolve, reject) => {
    const outgoing = request({ socketPath: path, method: "POST", path: "/" }, (incoming) => {
      readAll(incoming).then(resolve, reject);
    });
    outgoing.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(undefined);
      else reject(error);
    });
    outgoing.end(JSON.stringify({ command, args }));
  });
  if (text === undefined) return undefined;
  const reply = JSON.parse(text) as Reply;
  if (reply.error !== undefined) throw new ControlError(reply.error);
  return { result: reply.result };
}

async function readAll(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxRequestBytes && stream.method) throw new ControlError("request is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
