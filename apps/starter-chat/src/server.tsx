import { deploymentSiteUrl } from "./auth/siteUrl.ts";

const configured = import.meta.env.VITE_CONVEX_URL;

/** The deployment these pages were built for; null when they were built for none. */
export const convexUrl = configured === undefined || configured === "" ? null : configured;

/** Where its HTTP actions are: people sign in there. */
export const siteUrl =
  convexUrl === null ? null : deploymentSiteUrl(convexUrl, import.meta.env.VITE_CONVEX_SITE_URL);

export function NoServer() {
  return (
    <main className="splash">
      <h1>Which server?</h1>
      <p>
        Set <code>VITE_CONVEX_URL</code> to the address of a deployment, for example{" "}
        <code>http://127.0.0.1:3210</code>, and build again. <code>npm start</code> in the repository does
        that by itself.
      </p>
    </main>
  );
}
