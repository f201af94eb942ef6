import type { Caller, CloudSettings } from "@chatelaine/keys";
import { type Ledger, projectOf, type VolumeContext } from "@chatelaine/volumes";
import { Command } from "commander";
import { isThere, ledgerPlace, withLedgerAt } from "../config/ledger-place.ts";
import {
  cloudSettings,
  type Opened,
  openConfigured,
  readersOf,
} from "../config/open-key-manager.ts";
import { readSettings, type Settings } from "../config/settings.ts";
import { json } from "../terminal/output.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { warnOfUnseenUsers } from "../terminal/unseen-users.ts";
import { volumeProgress } from "../terminal/volume-progress.ts";

/** What every command's action gets. */
export interface Context {
  readonly terminal: Terminal;
  /** Opens the configured key manager; commands that need none never call it. */
  readonly open: () => Opened;
  /** Reads the settings, once. @throws `invalid_argument` */
  readonly settings: () => Settings;
  /** The configured Barbican and the caller; nothing is opened. */
  readonly cloud: () => CloudSettings;
  /**
   * Opens the key manager and the ledger, and closes the ledger when `work` is done. Shows the progress of long work
   * on standard error: as lines of JSON with `--json`, else as a bar on a terminal.
   */
  readonly withVolumes: <T>(
    work: (volumes: VolumeContext) => Promise<T>,
    /** Names in clouds.yaml of other projects whose credentials the work needs. */
    others?: readonly string[],
  ) => Promise<T>;
  /** The ledger alone, and only if there is one: for commands that ask no key manager. */
  readonly withLedger: <T>(work: (ledger: Ledger | undefined) => Promise<T>) => Promise<T>;
  /** Warns of users of a disk that this process cannot see; prints nothing with `--json`. */
  readonly warnOfUnseenUsers: (operation: string, path: string) => Promise<void>;
  /** Of another project, by its name in clouds.yaml. */
  readonly callerOf: (cloud: string) => Caller;
  /** Prints a result: for programs with `--json`, else for people. */
  readonly print: (forPrograms: unknown, forPeople: string) => void;
}

/** The flags that every command has. */
export interface GlobalFlags {
  readonly backend?: string;
  readonly osCloud?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly interface?: string;
  readonly fixedKeyFile?: string;
  readonly readers?: string;
  readonly forProject?: string;
  readonly ledger?: string;
  readonly ledgerHost?: string;
  readonly config?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Opens the configured key manager; with the credentials of a cloud of clouds.yaml, if one is named. */
export type Open = (cloud?: string) => Opened;

/** @param open replaces the configured key manager, for tests. */
export function contextOf(terminal: Terminal, flags: GlobalFlags, open: Open | undefined): Context {
  const { osCloud: cloud, ...rest } = flags;
  let read: Settings | undefined;
  const settings = (): Settings => (read ??= readSettings(terminal, { ...rest, cloud }));
  const openNow: Open =
    open ??
    ((other) =>
      openConfigured(terminal, other === undefined ? settings() : { ...settings(), cloud: other }));
  const callerOf = (other: string) => openNow(other).caller;
  return {
    terminal,
    open: () => openNow(),
    callerOf,
    settings,
    cloud: () => cloudSettings(terminal, settings()),
    withLedger: async (work) => {
      const place = ledgerPlace(terminal, settings());
      return (await isThere(place)) ? withLedgerAt(place, work) : work(undefined);
    },
    withVolumes: async (work, others = []) => {
      const source = openNow();
      const callers = others.map(callerOf);
      const progress = volumeProgress(terminal, flags.json === true);
      try {
        return await withLedgerAt(ledgerPlace(terminal, settings()), (ledger) =>
          work({
            ...source,
            ledger,
            onProgress: progress.update,
            readers: readersOf(settings()),
            project: settings().forProject,
            callerOf: (project) => callers.find((caller) => projectOf({ caller }) === project),
          }),
        );
      } finally {
        progress.end();
      }
    },
    warnOfUnseenUsers: async (operation, path) => {
      if (flags.json !== true) await warnOfUnseenUsers(terminal, operation, path);
    },
    print: (forPrograms, forPeople) =>
      terminal.out(flags.json === true ? json(forPrograms) : forPeople),
  };
}

/** A command group, such as `key`. */
export function noun(name: string, summary: string): Command {
  return new Command(name).description(summary);
}

/** Examples at the end of a command's help. */
export function examples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText(
    "after",
    `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join("")}`,
  );
}
