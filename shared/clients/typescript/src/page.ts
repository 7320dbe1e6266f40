/** @internal What a browser tells of the page and the network; elsewhere nothing. */
export interface PageEvents {
  online(): void;
  /** Seen again, after so many ms. */
  visible(hiddenFor: number): void;
  hidden(): void;
}

/** @internal Whether nobody sees the page now. */
export const isHidden = () => globalThis.document?.visibilityState === "hidden";

/** @internal Listens until the function that it returns is called. */
export function watchPage(on: PageEvents): () => void {
  const page = globalThis.document as Document | undefined;
  let since = Date.now();
  const seen = () => {
    if (isHidden()) {
      since = Date.now();
      on.hidden();
    } else {
      on.visible(Date.now() - since);
    }
  };
  const stop = new AbortController();
  globalThis.addEventListener?.("online", on.online, stop);
  page?.addEventListener("visibilitychange", seen, stop);
  return () => stop.abort();
}
