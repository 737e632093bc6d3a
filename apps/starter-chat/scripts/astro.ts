import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

// `npm run dev` and `npm run build`: Astro, which tells nobody that it runs and asks nobody for a newer one.

process.env["ASTRO_TELEMETRY_DISABLED"] = "1";
process.env["ASTRO_DISABLE_UPDATE_CHECK"] = "true";
const manifest = createRequire(import.meta.url).resolve("astro/package.json");
await import(pathToFileURL(path.join(path.dirname(manifest), "bin/astro.mjs")).href);
