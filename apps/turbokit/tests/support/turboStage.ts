import { fileURLToPath } from "node:url";
import { freePorts } from "../../../../conformance/support/ports.ts";
import { pushApp } from "../../../../conformance/support/project.ts";
import { TestServer } from "../../../../conformance/support/server.ts";
import { type Services, startServices } from "../../../../scripts/turbokit-services.ts";
import { backendFolder } from "./turboServer.ts";

export const appFolder = fileURLToPath(new URL("../..", import.meta.url));

export const people = [
  { email: "ada@example.com", name: "Ada Lovelace" },
  { email: "ben@example.com", name: "Ben Okafor" },
  { email: "admin@example.com", name: "Ines Admin" },
];

/** TurboKit as people find it: as `TurboServer`, and the stand-ins call its webhooks and know its page. */
export class TurboStage {
  readonly server: TestServer;
  readonly services: Services;
  readonly pagePort: number;

  private constructor(server: TestServer, services: Services, pagePort: number) {
    this.server = server;
    this.services = services;
    this.pagePort = pagePort;
  }

  /** `variables` are added to the deployment's. */
  static async start(variables: Readonly<Record<string, string>> = {}): Promise<TurboStage> {
    const [port, sitePort, pagePort] = (await freePorts(3)) as [number, number, number];
    const services = await startServices({
      given: {},
      siteUrl: `http://127.0.0.1:${sitePort}`,
      pageUrl: `http://127.0.0.1:${pagePort}`,
      people,
      pieceMs: 5,
    });
    const egress = services.egress.flatMap((rule) => ["--egress", rule]);
    const server = await TestServer.start({ ports: [port, sitePort], args: egress });
    await server.updateEnvironment({
      ...services.variables,
      ADMIN_EMAILS: "admin@example.com",
      ...variables,
    });
    await pushApp(server, backendFolder);
    return new TurboStage(server, services, pagePort);
  }

  async close(): Promise<void> {
    await this.server.dispose();
    await this.services.close();
  }
}
