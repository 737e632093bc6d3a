/** Where the page is served: links in mails lead there, and only it may call the sign-in. */
export function pageUrl(): string {
  const address = process.env.SITE_URL ?? "";
  return (address === "" ? "http://127.0.0.1:4173" : address).replace(/\/+$/, "");
}
