/// <reference types="astro/client" />

interface ImportMetaEnv {
  /** Address of the Lenslet (or Convex) deployment. */
  readonly VITE_CONVEX_URL?: string;
  /** Where its HTTP actions are, if that does not follow from the other address. */
  readonly VITE_CONVEX_SITE_URL?: string;
}
