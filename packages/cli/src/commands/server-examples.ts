import type { Command } from "commander";
import { examples } from "./command.ts";

/** By the words after `chatelaine server`. */
const lines: Readonly<Record<string, readonly string[]>> = {
  config: [
    "chatelaine server config",
    "CHATELAINE_SERVER_LISTEN_PORT=9312 chatelaine server config --json",
  ],
  doctor: ["chatelaine server doctor", "chatelaine server doctor --data-directory ~/.chatelaine"],
  backup: ["chatelaine server backup /var/backups/keys.db"],
  restore: ["chatelaine server restore /var/backups/keys.db"],
  "rotate root-key": ["chatelaine server rotate root-key"],
  "rotate project-keys": ["chatelaine server rotate project-keys"],
  "tag-rows": ["chatelaine server tag-rows"],
  "restore-secret": ["chatelaine server restore-secret 2f1e0a52-6f0b-4d3e-8b7e-6f1f4b6f0d11"],
  "erase-project": ["chatelaine server erase-project 9d2c1f6e5b7a4c0e8f3a2b1c0d9e8f7a"],
  "audit list": [
    "chatelaine server audit list --limit 10",
    "chatelaine server audit list --object 2f1e0a52-6f0b-4d3e-8b7e-6f1f4b6f0d11 --json",
  ],
  "audit verify": [
    "chatelaine server audit verify > noted.json",
    "chatelaine server audit verify --noted noted.json",
    "chatelaine server audit verify audit-2026-11.jsonl",
    "chatelaine server audit verify --with-database audit-*.jsonl",
  ],
  "audit segments": ["chatelaine server audit segments", "chatelaine server audit segments --json"],
  "audit seal": ["chatelaine server audit seal"],
  "audit export": [
    "chatelaine server audit export /var/lib/chatelaine/audit-2026-11.jsonl --before 2026-12-01",
  ],
  "audit remove": ["chatelaine server audit remove --before 2026-09-01"],
  "migrate-store": [
    "chatelaine server migrate-store /var/lib/chatelaine/keys.db --server-config postgres.yaml",
  ],
  "user create": ["chatelaine server user create carol --password-file carol.password"],
  "user set-password": ["chatelaine server user set-password carol --password-file -"],
  "user list": ["chatelaine server user list", "chatelaine server user list --json"],
  "user delete": ["chatelaine server user delete carol"],
  "project create": ["chatelaine server project create billing"],
  "project delete": ["chatelaine server project delete billing"],
  "project list": ["chatelaine server project list"],
  "role grant": ["chatelaine server role grant carol billing member"],
  "role revoke": ["chatelaine server role revoke carol billing member"],
  "role list": ["chatelaine server role list"],
};

/** Gives the verbs of `chatelaine server` their examples. */
export function addServerExamples(command: Command, words = ""): void {
  const own = lines[words];
  if (own !== undefined) examples(command, own);
  for (const child of command.commands)
    addServerExamples(child, `${words} ${child.name()}`.trimStart());
}
