import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startAutumn, type AutumnService } from "../../packages/stand-ins/src/autumn.ts";
import { startOpenAi } from "../../packages/stand-ins/src/openAi.ts";
import { startResend } from "../../packages/stand-ins/src/resend.ts";
import { startS3, type S3 } from "../../packages/stand-ins/src/s3.ts";
import type { Exit } from "../support/childRun.ts";
import { installLockedPackages } from "../support/lockedPackages.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));
/** Whose lock file has the packages of all apps here. */
const largeApp = path.join(folder, "app");

/** Bundling and checking nineteen packages takes its time. */
export const pushTimeoutMs = 300_000;
/** Far beyond what any machine needs. */
const waitMs = 120_000;

/** An app that has been pushed to a server of its own by the official CLI. */
export class Deployment {
  readonly server: TestServer;
  readonly project: TestProject;

  private constructor(server: TestServer, project: TestProject) {
    this.server = server;
    this.project = project;
  }

  /** Nothing is pushed yet. The packages are those of `app`'s lock file, whichever app it is. */
  static async start(app: string, args: readonly string[] = []): Promise<Deployment> {
    await installLockedPackages(largeApp);
    const server = await TestServer.start({ args });
    const nodeModules = path.join(largeApp, "node_modules");
    const project = TestProject.create(path.join(folder, app), { nodeModules }).connect(server);
    return new Deployment(server, project);
  }

  async push(): Promise<Exit> {
    return await this.project.convex(["dev", "--once", "--typecheck", "disable"], {
      timeoutMs: pushTimeoutMs,
    });
  }

  call(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return this.server.call(name, args);
  }

  /** What functions of the app have recorded under a name, in order. */
  async events(name: string): Promise<unknown[]> {
    return (await this.call("events:named", { name })) as unknown[];
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + waitMs;
    while (!(await condition())) {
      if (performance.now() > deadline)
        throw new Error(`timed out waiting until ${what}\n${this.server.logs}`);
      await sleep(50);
    }
  }
}

/** The app with every package, and the services that it talks to. */
export class World {
  readonly deployment: Deployment;
  readonly mail: Awaited<ReturnType<typeof startResend>>;
  readonly autumn: AutumnService;
  readonly objects: S3;
  readonly #ai: Awaited<ReturnType<typeof startOpenAi>>;

  private constructor(
    deployment: Deployment,
    services: Pick<World, "mail" | "autumn" | "objects">,
    ai: Awaited<ReturnType<typeof startOpenAi>>,
  ) {
    this.deployment = deployment;
    this.#ai = ai;
    this.mail = services.mail;
    this.autumn = services.autumn;
    this.objects = services.objects;
  }

  static async start(): Promise<World> {
    const mail = await startResend();
    const objects = await startS3({ bucket: "photos" });
    const ai = await startOpenAi();
    const autumn = await startAutumn({
      secretKey: "am_sk_test",
      features: [
        { id: "messages", name: "Messages", type: "single_use" },
        { id: "export", name: "Export", type: "boolean" },
      ],
      plans: [
        { id: "free", name: "Free", isDefault: true, includes: { messages: 3 } },
        { id: "pro", name: "Pro", price: 20, includes: { messages: "inf", export: 1 } },
      ],
    });
    const deployment = await Deployment.start("app", ["--egress", `https://api.resend.com=${mail.url}`]);
    await deployment.server.updateEnvironment({
      AUTUMN_SECRET_KEY: "am_sk_test",
      AUTUMN_URL: autumn.url,
      OPENAI_URL: ai.url,
      R2_BUCKET: objects.bucket,
      R2_ENDPOINT: objects.url,
      R2_ACCESS_KEY_ID: objects.accessKeyId,
      R2_SECRET_ACCESS_KEY: objects.secretAccessKey,
    });
    return new World(deployment, { mail, autumn, objects }, ai);
  }

  async dispose(): Promise<void> {
    await this.deployment.server.dispose();
    await Promise.all([this.mail, this.autumn, this.objects, this.#ai].map((service) => service.close()));
  }
}
