import type { Diagnosis } from "@chatelaine/server/diagnosis";
import type { ByteReader } from "./byte-reader.ts";

/** Where the command's input comes from. */
export interface TerminalInput {
  readonly bytes: ByteReader;
  /** True for a regular file, which may be empty on purpose; an empty pipe means that its writer failed. */
  readonly isFile: boolean;
  /** Of a terminal with a person at it: key by key and without echo, or as before. Absent: there is no person to ask. */
  readonly setRawMode?: ((isRaw: boolean) => void) | undefined;
}

/** What the command reads from and writes to; a test has one of its own. */
export interface Terminal {
  /** Standard input; absent in tests that need none. */
  readonly input?: TerminalInput | undefined;
  /** Results, and nothing else: it may be piped. */
  readonly out: (text: string | Uint8Array) => void;
  /** Errors, warnings and progress. */
  readonly error: (text: string) => void;
  /** Of the results' terminal, in characters; undefined if they go elsewhere. */
  readonly columns: number | undefined;
  /** Of the errors' terminal, undefined if they go elsewhere. Absent: the same as `columns`. */
  readonly errorColumns?: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  readonly homeDirectory: string;
  readonly temporaryDirectory: string;
  /** How this process gives memory away; absent where the command is not the whole process. */
  readonly runtime?: {
    /** The doors that could not be closed, one line each: a command that may hold keys does not run with one. */
    readonly open: () => readonly string[];
    /** What the doctor says about the doors, the closed ones included. */
    readonly diagnose: () => readonly Diagnosis[];
  };
  /** See `restartWith`; absent where the command is not the whole process. */
  readonly restart?: (
    flags: readonly string[],
    variables: Readonly<Record<string, string>>,
  ) => void;
}
