/** Builds the URLs that name objects, from the configured base alone: no header of a request has a say. */
export class Refs {
  readonly #publicUrl: () => string;

  /** @param publicUrl Scheme, host and port, perhaps a path; without `/v1`. */
  constructor(publicUrl: string | (() => string)) {
    this.#publicUrl = typeof publicUrl === "string" ? () => publicUrl : publicUrl;
  }

  get base(): string {
    const url = this.#publicUrl();
    return url.endsWith("/") ? url.replace(/\/+$/, "") : url;
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
}
