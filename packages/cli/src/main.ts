import { homedir, tmpdir } from "node:os";
import { closeRuntimeDoors, diagnoseRuntime, openDoors } from "@chatelaine/server/runtime";
import { exitCodes } from "./config/exit-codes.ts";
import { environment } from "./config/settings.ts";
import { run } from "./run.ts";
import { restartWith } from "./start/restart.ts";
import { standardInput } from "./terminal/standard-input.ts";

closeRuntimeDoors();

// The reader of the output may stop early, as head does, or close the terminal while a command still ends.
let outputError: string | undefined;
for (const stream of [process.stdout, process.stderr])
  stream.on("error", ({ code = "failed" }: NodeJS.ErrnoException) => {
    if (code !== "EPIPE" && code !== "EIO") outputError ??= code;
  });
process.once("exit", () => {
  if (outputError === undefined) return;
  const lost = "the command has done its work, but its output is incomplete";
  process.stderr.write(`chatelaine: write output: ${outputError}: ${lost}\n`);
  process.exitCode ||= exitCodes.io[0];
});

const input = standardInput();
process.exitCode = await run(process.argv.slice(2), {
  input,
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  columns: process.stdout.isTTY ? process.stdout.columns : undefined,
  errorColumns: process.stderr.isTTY ? process.stderr.columns : undefined,
  environment,
  workingDirectory: process.cwd(),
  homeDirectory: home(),
  temporaryDirectory: tmpdir(),
  runtime: {
    open: () => openDoors(environment).map(({ found, fix }) => `${found}: ${fix}`),
    diagnose: () => diagnoseRuntime(environment),
  },
  restart: restartWith,
});

// A pipe of which only the first line was read would keep the process alive.
await input.bytes.close();

/** A user who is only a number, as in a container, may have none. */
function home(): string {
  try {
    return homedir();
  } catch {
    return "/";
  }
}
