import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChildRun } from "../support/childRun.ts";
import { freePorts } from "../support/ports.ts";
import { TestProject } from "../support/project.ts";
import { runLenslet, startLenslet, TestServer } from "../support/server.ts";
import { tempFolder } from "../support/tempFolder.ts";
import { noTypecheck, sampleFolder } from "./sample.ts";

/** Every file below a folder with its content, to show that a command has changed nothing. */
function contentOf(folder: string): Record<string, string> {
  const content: Record<string, string> = {};
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile()) content[path.relative(folder, file)] = fs.readFileSync(file, "latin1");
  }
  return content;
}

async function flagsOfFreePorts(): Promise<string[]> {
  const [port, sitePort] = await freePorts(2);
  return ["--port", String(port), "--site-port", String(sitePort)];
}

describe.concurrent("lenslet dev", () => {
  it("starts a server, connects the project, pushes, watches, and ends all on Ctrl-C", async () => {
    const project = TestProject.create(sampleFolder);
    project.write(".env.local", "# mine\nVITE_TITLE=Sample\n");
    const ports = await flagsOfFreePorts();
    const dev = startLenslet(["dev", ...ports, "--", ...noTypecheck], {
      cwd: project.folder,
      env: project.environment(),
    });
    try {
      const url = `http://127.0.0.1:${ports[1]}`;
      const started = await dev.until("Convex functions ready!");
      expect(started).toMatch(new RegExp(`^Lenslet is running at ${url} \\(data in \\.lenslet\\)\n`));
      expect(started).toContain(
        "Saved CONVEX_SELF_HOSTED_URL and CONVEX_SELF_HOSTED_ADMIN_KEY to .env.local\n",
      );
      const env = project.read(".env.local");
      expect(env).toMatch(
        new RegExp(
          `^# mine\nVITE_TITLE=Sample\nCONVEX_SELF_HOSTED_URL=${url}\nCONVEX_SELF_HOSTED_ADMIN_KEY='lenslet\\|[0-9a-f]+'\n`,
        ),
      );
      // Git must not see the data, which holds the secret of the key.
      expect(project.read(".lenslet/.gitignore")).toBe("*\n");
      // Another terminal needs nothing but .env.local.
      expect(await project.convex(["run", "notes"])).toMatchObject({ code: 0, stdout: "[]\n" });
      project.write("convex/notes.ts", project.read("convex/notes.ts").replace("rank ?? 0", "rank ?? 1"));
      await dev.until("Convex functions ready!");
      dev.signalGroup("SIGINT");
      expect(await dev.exit()).toMatchObject({ code: 0 });
      await expect(fetch(url)).rejects.toThrow();
      expect(project.has(".lenslet/server.pid")).toBe(false);
    } finally {
      await dev.dispose();
    }
  });

  it("takes the convex CLI with it when only it gets the signal", async () => {
    const project = TestProject.create(sampleFolder);
    const dev = startLenslet(["dev", ...(await flagsOfFreePorts()), "--", ...noTypecheck], {
      cwd: project.folder,
      env: project.environment(),
    });
    try {
      await dev.until("Convex functions ready!");
      dev.signal("SIGTERM");
      // The end of the output too: the CLI holds it open as long as it lives.
      expect(await dev.exit()).toMatchObject({ code: 0 });
    } finally {
      await dev.dispose();
    }
  });

  it("leaves with the result of the push with --once, and keeps the data", async () => {
    const project = TestProject.create(sampleFolder);
    const once = async (more: Record<string, string> = {}) =>
      await runLenslet(["dev", "--once", ...(await flagsOfFreePorts()), "--", ...noTypecheck], {
        cwd: project.folder,
        env: project.environment(more),
      });
    // Settings for the cloud in the environment of the shell do not matter.
    expect(await once({ CONVEX_DEPLOYMENT: "dev:happy-animal-123", CONVEX_DEPLOY_KEY: "x" })).toMatchObject({
      code: 0,
    });
    project.write("convex/bad.ts", "export const = ;");
    const bad = await once();
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain("convex/bad.ts:1:");
  });

  it("with --no-push leaves the push to npx convex dev", async () => {
    const project = TestProject.create(sampleFolder);
    const dev = startLenslet(["dev", "--no-push", ...(await flagsOfFreePorts())], {
      cwd: project.folder,
      env: project.environment(),
    });
    try {
      await dev.until(
        "Run `npx convex dev` in another terminal to push your functions. Ctrl-C ends the server.\n",
      );
      const { code, stderr } = await project.convex(["dev", "--once", ...noTypecheck]);
      expect(code, stderr).toBe(0);
      expect(await project.convex(["run", "notes"])).toMatchObject({ code: 0, stdout: "[]\n" });
      dev.signalGroup("SIGINT");
      expect(await dev.exit()).toMatchObject({ code: 0 });
    } finally {
      await dev.dispose();
    }
  });

  it("starts nothing in a project that is connected to the cloud", async () => {
    const project = TestProject.create(sampleFolder);
    project.write(".env.local", "CONVEX_DEPLOYMENT=dev:happy-animal-123 # team: t, project: p\n");
    const before = contentOf(path.join(project.folder, "convex"));
    const { code, stdout, stderr } = await runLenslet(["dev", ...(await flagsOfFreePorts())], {
      cwd: project.folder,
      env: project.environment(),
    });
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "lenslet: .env.local names a cloud deployment (CONVEX_DEPLOYMENT=dev:happy-animal-123), which the convex CLI does not accept beside a self-hosted one. Remove or comment out that line, then run lenslet dev again.\n",
    });
    expect(project.has(".lenslet")).toBe(false);
    expect(contentOf(path.join(project.folder, "convex"))).toEqual(before);
  });

  it("says what to do where the convex package is not installed", async () => {
    const folder = tempFolder("empty");
    const { code, stderr } = await runLenslet(["dev", ...(await flagsOfFreePorts())], { cwd: folder });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `lenslet: The convex package is not installed in ${folder}. Install it first: npm install convex\n`,
    });
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});

describe("lenslet start", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(() => server.dispose());

  async function refused(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await runLenslet(args, { cwd: tempFolder("cwd"), env });
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
    // A stack trace is for defects only.
    expect(stderr).not.toMatch(/\n\s+at /);
    return stderr;
  }

  it("says where it listens, and ends by itself on SIGTERM", async () => {
    expect(server.logs).toBe(
      `Lenslet is running.\n  API   ${server.url}\n  HTTP actions  ${server.siteUrl}\n`,
    );
    expect(await server.stop()).toMatchObject({ code: 0, signal: null, stdout: "" });
    await server.start();
  });

  it("takes every setting from the environment too", async () => {
    const [port, sitePort] = (await freePorts(2)) as [number, number];
    const cwd = tempFolder("cwd");
    const run: ChildRun = startLenslet(["start"], {
      cwd,
      env: {
        LENSLET_DATA: "elsewhere",
        LENSLET_PORT: String(port),
        LENSLET_SITE_PORT: String(sitePort),
        LENSLET_HOST: "localhost",
        LENSLET_URL: "https://api.example.com",
        LENSLET_SITE_URL: "https://site.example.com",
      },
    });
    try {
      const shown = await run.until("HTTP actions  https://site.example.com");
      expect(shown).toContain("https://api.example.com");
      expect((await fetch(`http://localhost:${port}/version`)).status).toBe(200);
      expect(fs.readdirSync(cwd)).toEqual(["elsewhere"]);
    } finally {
      await run.dispose();
    }
  });

  it("refuses a port that is in use", async () => {
    const [port, free] = (await freePorts(2)) as [number, number];
    const blocker = net.createServer().listen(port, "127.0.0.1");
    try {
      for (const flag of ["--port", "--site-port"]) {
        const other = flag === "--port" ? "--site-port" : "--port";
        expect(await refused(["start", flag, String(port), other, String(free)])).toBe(
          `lenslet: Port ${port} on 127.0.0.1 is in use. Stop the other process, or choose another port with ${flag} (0 takes any free one).\n`,
        );
      }
    } finally {
      blocker.close();
    }
  });

  it("refuses a data folder that another server uses, which goes on", async () => {
    const message = await refused(["start", "--data", server.dataFolder, "--port", "0", "--site-port", "0"]);
    expect(message).toBe(
      `lenslet: ${server.dataFolder} is in use by another Lenslet process (pid ${server.pid}). Stop that one, or choose another folder with --data.\n`,
    );
    expect((await fetch(`${server.url}/version`)).status).toBe(200);
  });

  it("takes over the folder of a server that was killed", async () => {
    await server.kill9();
    // Its pid may belong to anyone by now; here, to this test.
    fs.writeFileSync(path.join(server.dataFolder, "server.pid"), `${process.pid}\n`);
    await server.start();
    expect((await fetch(`${server.url}/version`)).status).toBe(200);
  });

  it("refuses hosts and settings that cannot be, and reads no further", async () => {
    const file = path.join(tempFolder("cwd"), "file");
    fs.writeFileSync(file, "");
    const anyPorts = ["--port", "0", "--site-port", "0"];
    const cases: readonly { args: readonly string[]; env?: Record<string, string>; says: string }[] = [
      {
        args: ["start", "--host", "203.0.113.7", ...anyPorts],
        says: "lenslet: 203.0.113.7 is not an address of this machine. Choose one with --host: 127.0.0.1 for this machine only, 0.0.0.0 for all networks.\n",
      },
      {
        args: ["start", "--data", file],
        says: `lenslet: ${file} cannot be used as data folder (EEXIST: file already exists, mkdir '${file}'). Choose another with --data.\n`,
      },
      {
        args: ["start", "--port", "99999"],
        says: "error: option '--port <number>' argument '99999' is invalid. a port is a number from 0 (any free one) to 65535.\n",
      },
      {
        args: ["start"],
        env: { LENSLET_PORT: "http" },
        says: "lenslet: LENSLET_PORT=http: a port is a number from 0 (any free one) to 65535.\n",
      },
      {
        args: ["start", "--url", "api.example.com"],
        says: "error: option '--url <origin>' argument 'api.example.com' is invalid. an origin like https://api.example.com is needed, without a path.\n",
      },
      {
        args: ["start"],
        env: { LENSLET_HEAP: "1" },
        says: "lenslet: LENSLET_HEAP=1: a whole number of at least 128 is needed.\n",
      },
      { args: ["start", "--colour"], says: "error: unknown option '--colour'\n" },
      { args: ["begin"], says: "error: unknown command 'begin'\n" },
    ];
    await Promise.all(
      cases.map(async ({ args, env, says }) => {
        expect((await refused(args, env)).startsWith(says), says).toBe(true);
      }),
    );
  });

  describe("on a data folder that it cannot use", () => {
    let folder: string;
    beforeAll(async () => {
      const other = await TestServer.start();
      // The log has no segment before its first commit.
      await other.updateEnvironment({ A: "b" });
      await other.stop();
      folder = other.dataFolder;
    });

    async function refusedFolder(): Promise<string> {
      const before = contentOf(folder);
      const message = await refused(["start", "--data", folder, "--port", "0", "--site-port", "0"]);
      expect(contentOf(folder)).toEqual(before);
      return message;
    }

    it("refuses a newer format of the folder", async () => {
      const file = path.join(folder, "instance.json");
      const good = fs.readFileSync(file, "utf8");
      fs.writeFileSync(file, good.replace('"formatVersion": 1', '"formatVersion": 2'));
      expect(await refusedFolder()).toBe(
        `lenslet: ${folder} was written by a newer version of Lenslet (format 2, this one reads up to 1). Update Lenslet: npm install lenslet@latest\n`,
      );
      fs.writeFileSync(file, "{");
      expect(await refusedFolder()).toContain(
        `${file} is damaged. Restore it from a backup, or move the folder away to start with an empty one.`,
      );
      fs.writeFileSync(file, good);
    });

    it("refuses a newer format of the log", async () => {
      const name = fs.readdirSync(path.join(folder, "log")).find((file) => file.endsWith(".seg")) ?? "";
      const file = path.join(folder, "log", name);
      const good = fs.readFileSync(file);
      const newer = Buffer.from(good);
      newer.writeUInt32LE(2, 12);
      newer.writeUInt32LE(crc32(newer.subarray(12, 64)), 8);
      fs.writeFileSync(file, newer);
      expect(await refusedFolder()).toBe(
        `lenslet: ${file} has log format 2, but this version of Lenslet reads formats up to 1. Nothing was changed. Start the newer version of Lenslet that wrote it, or restore a backup made before the upgrade.\n`,
      );
      fs.writeFileSync(file, good);
    });

    it("refuses a newer format of the store", async () => {
      const file = path.join(folder, "store.sqlite");
      const setFormat = (format: number) => {
        const store = new DatabaseSync(file);
        store.prepare("UPDATE meta SET value = ? WHERE key = 'formatVersion'").run(String(format));
        store.close();
      };
      setFormat(99);
      expect(await refusedFolder()).toContain(
        `lenslet: ${file} was written by a newer Lenslet (data format 99);`,
      );
      setFormat(1);
    });

    it("works again once they are what they were", async () => {
      const other = await TestServer.start({ dataFolder: folder });
      await other.dispose();
    });
  });
});

describe("lenslet admin-key", () => {
  it("prints the key that the server accepts, also while it runs", async () => {
    const server = await TestServer.start();
    try {
      const { code, stdout, stderr } = await runLenslet(["admin-key"], {
        cwd: tempFolder("cwd"),
        env: { LENSLET_DATA: server.dataFolder },
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/^lenslet\|[0-9a-f]{64}\n$/);
      const check = await fetch(`${server.url}/api/check_admin_key`, {
        headers: { authorization: `Convex ${stdout.trim()}` },
      });
      expect(check.status).toBe(200);
    } finally {
      await server.dispose();
    }
  });

  it("creates nothing where there is no data folder", async () => {
    const cwd = tempFolder("cwd");
    const { code, stdout, stderr } = await runLenslet(["admin-key"], { cwd });
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: "",
      stderr: `lenslet: There is no data folder at ${path.join(cwd, ".lenslet")}. Start a server first (lenslet dev), or name another with --data.\n`,
    });
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
});

describe("lenslet start, supervised", () => {
  const start = async () => {
    const dataFolder = tempFolder("data");
    const [port, sitePort] = (await freePorts(2)) as [number, number];
    const run = startLenslet(
      ["start", "--data", dataFolder, "--port", String(port), "--site-port", String(sitePort)],
      { cwd: dataFolder },
    );
    await run.until("HTTP actions  ");
    const serverPid = () => Number(fs.readFileSync(path.join(dataFolder, "server.pid"), "utf8"));
    return { run, serverPid, url: `http://127.0.0.1:${port}` };
  };

  it("starts the server again when its process dies", async () => {
    const { run, serverPid, url } = await start();
    try {
      for (let crash = 0; crash < 2; crash++) {
        const before = serverPid();
        expect(before).not.toBe(run.pid);
        process.kill(before, crash === 0 ? "SIGKILL" : "SIGABRT");
        expect(await run.until("HTTP actions  ")).toContain("it is started again");
        expect((await fetch(`${url}/version`)).status).toBe(200);
        expect(serverPid()).not.toBe(before);
      }
      run.signal("SIGTERM");
      expect(await run.exit()).toMatchObject({ code: 0, signal: null });
      await expect(fetch(`${url}/version`)).rejects.toThrow();
    } finally {
      await run.dispose();
    }
  });

  it("ends the server when it is killed itself", async () => {
    const { run, serverPid } = await start();
    const server = serverPid();
    await run.dispose();
    await expect.poll(() => isRunning(server), { timeout: 20_000 }).toBe(false);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("lenslet --help", () => {
  it("says what each command and each option does", async () => {
    const help = async (...args: string[]) => {
      const { code, stdout, stderr } = await runLenslet([...args, "--help"], { cwd: tempFolder("cwd") });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return stdout.replaceAll(/\s+/g, " ");
    };
    expect(await help()).toContain("A reactive backend in one process that runs convex/ folders unchanged.");
    const start = await help("start");
    const dev = await help("dev");
    for (const option of ["data", "host", "port", "site-port", "url", "site-url", "redact", "heap"]) {
      const variable = `(LENSLET_${option.toUpperCase().replace("-", "_")}`;
      for (const text of [start, dev]) expect(text).toMatch(new RegExp(`--${option} .*\\${variable}`));
    }
    expect(dev).toContain("--once push once and leave: exit code 1 if that fails");
    expect(await help("admin-key")).toContain("print the admin key of a data folder");
  });

  it("keeps compiled code for the next start in the user's cache folder, and does without one", async () => {
    const cwd = tempFolder("cwd");
    const versionWith = async (cacheFolder: string) => {
      const { code, stdout, stderr } = await runLenslet(["--version"], {
        cwd,
        env: { XDG_CACHE_HOME: cacheFolder },
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return stdout;
    };
    const version = await versionWith(path.join(cwd, "cache"));
    expect(fs.readdirSync(path.join(cwd, "cache/lenslet/node"))).toHaveLength(1);
    fs.writeFileSync(path.join(cwd, "file"), "");
    expect(await versionWith(path.join(cwd, "file"))).toBe(version);
  });
});
