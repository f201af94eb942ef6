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
    throw invalid(`${option} is no http or https URL${quoted}`);
  }
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw invalid(
      `${option} carries a user name or password: give credentials as options of their own`,
    );
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalid(`${option} carries a query or fragment: leave out what follows its path`);
  }
  return url.href.replace(/\/+$/, "");
}

function invalid(message: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", message);
}
