import { spawn as platformSpawn } from "node:child_process";

/** What starts a program; `child_process.spawn` by default. */
export type Spawn = typeof platformSpawn;

/** Whether the lock is held now, another program has it, or nothing here can take it. */
export type Hold = "held" | "taken" | "unavailable";

/** Where programs are looked for, whatever PATH says. */
export const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Takes the exclusive lock of flock(2) on an open file without waiting. It lasts until the descriptor is closed or this
 * process dies. cryptsetup and other Chatelaine processes respect it; QEMU and libvirt have locks of fcntl(2), and no
 * program is kept from writing.
 *
 * Node.js has no call for it. A lock of flock(2) belongs to the open file, which a child process can share, so the program
 * flock(1) of util-linux or BusyBox takes it on our descriptor, and it stays when that program has ended.
 */
export function holdFile(descriptor: number, spawn: Spawn = platformSpawn): Promise<Hold> {
  return new Promise((resolve) => {
    try {
      const child = spawn("flock", ["-x", "-n", "3"], {
        stdio: ["ignore", "ignore", "ignore", descriptor],
        env: { PATH: searchPath },
      });
      child.once("error", () => resolve("unavailable"));
      child.once("exit", (status) => resolve(outcomes.get(status) ?? "unavailable"));
    } catch {
      // Node.js's permission model lets no program be started.
      resolve("unavailable");
    }
  });
}

const outcomes: ReadonlyMap<number | null, Hold> = new Map([
  [0, "held"],
  [1, "taken"],
]);
