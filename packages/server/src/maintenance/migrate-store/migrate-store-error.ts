/** The copy was not made; the PostgreSQL database is as it was. */
export class MigrateStoreError extends Error {
  override readonly name = "MigrateStoreError";

  constructor(reason: string, options?: { readonly cause?: unknown }) {
    super(`migrate store: ${reason}`, options);
  }
}
