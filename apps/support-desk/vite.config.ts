import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const page = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    sourcemap: true,
    rollupOptions: { input: [page("index.html"), page("widget.html"), page("console.html")] },
  },
  server: { host: "127.0.0.1" },
  preview: { host: "127.0.0.1" },
});
