/// <reference types="astro/client" />

interface ImportMetaEnv {
  /** Address of the Lenslet (or Convex) deployment. */
  readonly VITE_CONVEX_URL?: string;
}
