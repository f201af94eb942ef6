import { KeyManagerError } from "./errors.ts";

/**
 * Reads the URL of a service. One that carries a user name or password, a query
 * or a fragment is refused, and not repeated where it may hold a secret.
 *
 * @returns the URL without slashes at its end.
 * @throws `invalid_argument`
 */
export function serviceUrl(option: string, text: string): string {
  const quoted = /[@?#]/.test(text) ? "" : `: ${JSON.stringify(text)}`;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw invalid(`${option} is not an http or https URL${quoted}`);
  }
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw invalid(
      `${option} contains a user name or password: give credentials as separate options`,
    );
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalid(`${option} contains a query or fragment: remove everything after the path`);
  }
  return url.href.replace(/\/+$/, "");
}

function invalid(message: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", message);
}
