import { parseHttpUrl } from "./http-url.ts";
import { parseListenHost } from "./listen-host.ts";
import { refuseFlawed, refuseUntrimmed } from "./plain-text.ts";
import { parsePublicUrl } from "./public-url.ts";
import type { TextFormat } from "./settings.ts";

/**
 * What the text of a setting must be, wherever it was set. Each parser returns the canonical form, and throws a TypeError
 * whose message completes "NAME …" and holds nothing that may be secret.
 */
export const settingFormats: Readonly<Record<TextFormat, (text: string) => string>> = {
  "listen host": parseListenHost,
  "public URL": parsePublicUrl,
  "http URL": parseHttpUrl,
  path: parsePath,
  name: parseName,
  password: parsePassword,
  database: parseDatabase,
  "root key": parseRootKey,
};

function parsePath(text: string): string {
  refuseUntrimmed(text);
  // Only shells expand it, and not everywhere: the keys would be in a folder called `~`.
  if (text.startsWith("~"))
    throw new TypeError("must not begin with ~, which stands for no folder here: write it in full");
  return text;
}

/** In characters, as Keystone counts names. */
const maxNameLength = 255;

function parseName(text: string): string {
  refuseUntrimmed(text);
  if (Array.from(text).length > maxNameLength)
    throw new TypeError(`must have at most ${maxNameLength} characters`);
  return text;
}

/** Blanks may be part of it; a line break comes from the file that it was read from. */
function parsePassword(text: string): string {
  refuseFlawed(text);
  return text;
}

/** A file, or a URL of PostgreSQL. Other schemes are refused where settings are checked together. */
function parseDatabase(text: string): string {
  parsePath(text);
  if (/^postgres(?:ql)?:\/\//.test(text) && !URL.canParse(text))
    throw new TypeError(
      "must be a valid postgres:// URL: percent-encode special characters of user and password",
    );
  return text;
}

const rootKeyBytes = 32;

function parseRootKey(text: string): string {
  // Secrets of Kubernetes and systemd often end in a line break.
  const trimmed = text.trim();
  const bytes = Buffer.from(trimmed, "base64");
  const valid = bytes.length === rootKeyBytes && bytes.toString("base64") === trimmed;
  bytes.fill(0);
  if (!valid) throw new TypeError(`must be ${rootKeyBytes} bytes in base64`);
  return trimmed;
}
