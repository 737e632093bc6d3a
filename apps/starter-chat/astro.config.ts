import react from "@astrojs/react";
import { defineConfig, passthroughImageService } from "astro/config";

// Static pages; what is alive on them are React islands (src/pages).
export default defineConfig({
  integrations: [react()],
  output: "static",
  server: { host: "127.0.0.1", port: 4321 },
  devToolbar: { enabled: false },
  // No picture is transformed: the image library that Astro offers for it is not needed.
  image: { service: passthroughImageService() },
  // The CLI writes the address to .env.local as VITE_CONVEX_URL, because vite is among the dependencies.
  vite: { envPrefix: ["PUBLIC_", "VITE_"], build: { target: "es2022", sourcemap: true } },
});
