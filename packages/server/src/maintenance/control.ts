import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import {
  IdentityApiError,
  type IdentityApiErrorCode,
} from "../identity/builtin/identity-api-error.ts";
import { ServerError, type ServerErrorCode } from "../model/server-error.ts";

/** Tells how far a command is, as JSON. */
export type OnCommandProgress = (progress: unknown) => void;

/** A command that may take minutes, and tells how far it is. */
export interface LongCommand {
  readonly run: (onProgress: OnCommandProgress, ...args: readonly string[]) => Promise<unknown>;
}

/** Commands by name; arguments and results are JSON. */
export type Commands = Readonly<
  Record<string, LongCommand | ((...args: readonly string[]) => Promise<unknown>)>
>;

/** Carries out a command. @throws ServerError if there is no such command, or what the command throws */
export async function carryOut(
  commands: Commands,
  name: string,
  args: readonly string[],
  onProgress: OnCommandProgress = () => undefined,
): Promise<unknown> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new ServerError("invalid_argument", `unknown command ${name}`);
  try {
    return await (typeof command === "function"
      ? command(...args)
      : command.run(onProgress, ...args));
  } catch (error) {
    if (!(error instanceof IdentityApiError)) throw error;
    throw new ServerError(codeOfRefusal[error.code], error.message, { cause: error });
  }
}

/** What a refusal of the identity API is to an administrator. */
const codeOfRefusal: Readonly<Record<IdentityApiErrorCode, ServerErrorCode>> = {
  bad_request: "invalid_argument",
  unauthorized: "forbidden",
  forbidden: "forbidden",
  not_found: "not_found",
  conflict: "conflict",
  too_many: "unavailable",
};

/** A socket in the data directory by which administrators of this host command the running server. */
export interface Control {
  close(): Promise<void>;
}

/** A long report of `audit verify` has chains enough for this. */
const maxRequestBytes = 1_048_576;

const progressEveryMs = 200;

/** Opens the socket, mode 0600: file permissions are what guards it. */
export async function openControl(path: string, commands: Commands): Promise<Control> {
  rmSync(path, { force: true }); // of an earlier life; the database's lock says that it ended
  const server = createServer((incoming, outgoing) => {
    outgoing.setHeader("content-type", "application/jsonl");
    // A line for each report would be too many.
    let told = 0;
    const onProgress = (progress: unknown) => {
      if (outgoing.destroyed) throw new ServerError("conflict", "the client is gone");
      const now = performance.now();
      if (now - told < progressEveryMs) return;
      told = now;
      outgoing.write(`${JSON.stringify({ progress })}\n`);
    };
    void answer(commands, incoming, onProgress).then((reply) =>
      outgoing.end(`${JSON.stringify(reply)}\n`),
    );
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
  /** With `error`, if it is a {@link ServerError}. */
  readonly code?: ServerErrorCode;
}

async function answer(
  commands: Commands,
  incoming: IncomingMessage,
  onProgress: OnCommandProgress,
): Promise<Reply> {
  try {
    const { command, args } = JSON.parse(await readAll(incoming)) as Record<string, unknown>;
    const result = await carryOut(commands, String(command), args as string[], onProgress);
    return { result: result ?? null };
  } catch (error) {
    if (error instanceof ServerError) return { error: error.message, code: error.code };
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Has the running server carry out a command.
 *
 * @returns undefined if no server runs there
 * @throws ServerError if the command failed
 */
export async function callControl(
  path: string,
  command: string,
  args: readonly string[],
  onProgress: OnCommandProgress = () => undefined,
): Promise<{ readonly result: unknown } | undefined> {
  const reply = await new Promise<Reply | undefined>((resolve, reject) => {
    const outgoing = request({ socketPath: path, method: "POST", path: "/" }, (incoming) => {
      readReply(incoming, onProgress).then(resolve, reject);
    });
    outgoing.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(undefined);
      else reject(error);
    });
    outgoing.end(JSON.stringify({ command, args }));
  });
  if (reply === undefined) return undefined;
  if (reply.error !== undefined) throw new ServerError(reply.code ?? "conflict", reply.error);
  return { result: reply.result };
}

/** The last line; those before it tell how far the command is. */
async function readReply(stream: IncomingMessage, onProgress: OnCommandProgress): Promise<Reply> {
  let rest = "";
  let reply: (Reply & { readonly progress?: unknown }) | undefined;
  for await (const chunk of stream.setEncoding("utf8") as AsyncIterable<string>) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      reply = JSON.parse(line) as Reply & { readonly progress?: unknown };
      if ("progress" in reply) onProgress(reply.progress);
    }
  }
  if (!reply || "progress" in reply)
    throw new ServerError("unavailable", "the server ended before its answer");
  return reply;
}

async function readAll(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxRequestBytes && stream.method)
      throw new ServerError("invalid_argument", "request is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
