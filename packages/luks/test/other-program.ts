import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

/** Another program that has a file open. */
export interface OtherProgram {
  readonly pid: number;
  /** Ends it. */
  end(): Promise<void>;
}

/** Started as `sh -c SCRIPT PATH`: it says a line when it is ready, and ends with its input. */
export async function otherProgram(script: string, path: string): Promise<OtherProgram> {
  return ready(spawn("sh", ["-c", script, path], { stdio: ["pipe", "pipe", "inherit"] }));
}

export function writerOf(path: string): Promise<OtherProgram> {
  return otherProgram('exec 3<>"$0"; echo ready; read line', path);
}

export function readerOf(path: string): Promise<OtherProgram> {
  return otherProgram('exec 3<"$0"; echo ready; read line', path);
}

/** Has the lock of flock(2), and the file open for reading alone. */
export function flockOf(path: string): Promise<OtherProgram> {
  return otherProgram('exec flock "$0" sh -c "echo ready; read line"', path);
}

/** Reads a database of SQLite: it has a lock of fcntl(2), and the file open for reading alone. */
export function lockingReaderOf(database: string): Promise<OtherProgram> {
  const program = `
    const { DatabaseSync } = require("node:sqlite");
    const database = new DatabaseSync(${JSON.stringify(database)}, { readOnly: true });
    database.exec("BEGIN");
    database.prepare("SELECT * FROM sqlite_master").all();
    console.log("ready");
    process.stdin.on("end", () => process.exit()).resume();`;
  return ready(
    spawn(process.execPath, ["--no-warnings", "-e", program], {
      stdio: ["pipe", "pipe", "inherit"],
    }),
  );
}

async function ready(child: ChildProcess): Promise<OtherProgram> {
  const ends = once(child, "exit");
  await Promise.race([
    once(child.stdout as Readable, "data"),
    ends.then(([status]) => {
      throw new Error(`the other program ended early, with status ${status}`);
    }),
  ]);
  return {
    pid: child.pid as number,
    end: async () => {
      child.stdin?.end();
      await ends;
    },
  };
}

/** Does something while another program has a file. */
export async function during<T>(
  program: Promise<OtherProgram>,
  act: (pid: number) => Promise<T>,
): Promise<void> {
  const other = await program;
  try {
    await act(other.pid);
  } finally {
    await other.end();
  }
}
