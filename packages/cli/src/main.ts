import { homedir, tmpdir } from "node:os";
import { closeRuntimeDoors, diagnoseRuntime, openDoors } from "@chatelaine/server/runtime";
import { environment } from "./config.ts";
import { restartWith } from "./restart.ts";
import { run } from "./run.ts";
import { standardInput } from "./standard-input.ts";

closeRuntimeDoors();

// Whoever reads our output may stop early, as head does, or close the terminal while a command ends in order.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
  });

const nodeOptions = environment["NODE_OPTIONS"] ?? "";

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
    open: () => openDoors(nodeOptions).map(({ found, mend }) => `${found}: ${mend}`),
    diagnose: () => diagnoseRuntime(nodeOptions),
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
