// What the links in our mails say when they open the page: `?reset-token=...`, `?verified=1`, and for a link that
// was of no use any more `&error=...` beside it.

function parameter(name: string): string | null {
  return new URL(window.location.href).searchParams.get(name);
}

/** The page was opened to choose a new password. */
export function resetToken(): string | null {
  const token = parameter("reset-token");
  return token === "" ? null : token;
}

/** The page was opened by the link that confirms an address; null: it was not. */
export function verification(): "done" | "failed" | null {
  if (parameter("verified") === null) return null;
  return parameter("error") === null ? "done" : "failed";
}

/** Takes what a mail said out of the address, so that a reload does not repeat it. */
export function forgetMailLink(): void {
  const url = new URL(window.location.href);
  for (const name of ["reset-token", "verified", "error"]) url.searchParams.delete(name);
  window.history.replaceState(window.history.state, "", url);
}
