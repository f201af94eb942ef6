import { type PublicUrl, parsePublicUrl } from "../config/public-url.ts";
import { parseSecretRef, type SecretRef } from "./secret-ref.ts";

/** Builds and reads the URLs that name objects, from configured addresses alone: no header of a request has a say. */
export class Refs {
  readonly #publicUrl: () => PublicUrl;
  readonly #otherAddresses: readonly PublicUrl[];

  /**
   * @param publicUrl Scheme, host and port, perhaps a path; without `/v1`.
   * @param acceptedAddresses Others under which refs are accepted. Default: none.
   * @throws TypeError for an address that cannot be one
   */
  constructor(publicUrl: string | (() => PublicUrl), acceptedAddresses: readonly string[] = []) {
    if (typeof publicUrl === "string") {
      const url = parsePublicUrl(publicUrl);
      this.#publicUrl = () => url;
    } else {
      this.#publicUrl = publicUrl;
    }
    this.#otherAddresses = acceptedAddresses.map(parsePublicUrl);
  }

  get base(): PublicUrl {
    return this.#publicUrl();
  }

  to(...path: readonly string[]): string {
    return `${this.base}/v1/${path.join("/")}`;
  }

  secret(id: string): string {
    return `${this.base}/v1/secrets/${id}`;
  }

  container(id: string): string {
    return `${this.base}/v1/containers/${id}`;
  }

  order(id: string): string {
    return `${this.base}/v1/orders/${id}`;
  }

  /** What secret a caller means. */
  parseSecret(ref: string): SecretRef {
    return parseSecretRef(ref, [this.base, ...this.#otherAddresses]);
  }
}
