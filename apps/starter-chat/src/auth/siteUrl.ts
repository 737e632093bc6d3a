/**
 * Where a deployment's HTTP actions are, the sign-in among them: what was configured, or what follows from the address
 * of its functions: the next port of a server of one's own, `.convex.site` beside `.convex.cloud`.
 */
export function deploymentSiteUrl(convexUrl: string, configured?: string): string {
  if (configured !== undefined && configured !== "") return configured.replace(/\/+$/, "");
  const url = new URL(convexUrl);
  if (url.hostname.endsWith(".convex.cloud"))
    return `https://${url.hostname.replace(/\.convex\.cloud$/, ".convex.site")}`;
  if (url.port !== "") url.port = String(Number(url.port) + 1);
  return url.origin;
}
