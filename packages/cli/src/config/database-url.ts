import { KeyManagerError } from "@chatelaine/keys";

/** True for what names a database rather than a file. */
export function isDatabaseUrl(ledger: string): boolean {
  return /^postgres(ql)?:/i.test(ledger);
}

/** @throws `invalid_argument`, without a word of the URL */
export function hasPassword(url: string): boolean {
  const parsed = URL.parse(url);
  if (parsed === null) {
    throw new KeyManagerError(
      "invalid_argument",
      "ledger: not a URL such as postgres://user@host/database",
    );
  }
  return parsed.password !== "" || parsed.searchParams.has("password");
}
