#!/usr/bin/env node
// Checks the Node version before anything newer than this file is loaded, then starts the CLI: the compiled one of
// the npm package, or the TypeScript sources in a clone of the repository.
import { existsSync } from "node:fs";
import module from "node:module";
import os from "node:os";
import path from "node:path";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 10)) {
  console.error(
    `lenslet needs Node.js 24.10 or newer; this is ${process.versions.node}. Install a current Node.js from https://nodejs.org, or run: npx -p node@24 -p lenslet lenslet`,
  );
  process.exit(1);
}
keepCompiledCode();
const compiled = new URL("../dist/main/cli.js", import.meta.url);
const cli = existsSync(compiled) ? compiled : new URL("../src/main/cli.ts", import.meta.url);
const { runCli } = await import(cli.href);
await runCli(process.argv);

/**
 * V8's compiled code is kept from one start to the next, which halves the CPU time of a start. In the user's own
 * folder: whoever can write there decides what runs here. The variable is for the threads of this process, and for the
 * server process that it starts and watches.
 */
function keepCompiledCode() {
  try {
    const caches = process.env["XDG_CACHE_HOME"] || path.join(os.homedir(), ".cache");
    const { directory } = module.enableCompileCache(path.join(caches, "lenslet", "node"));
    if (directory !== undefined) process.env["NODE_COMPILE_CACHE"] ??= directory;
  } catch {
    // No home folder: every start compiles.
  }
}
