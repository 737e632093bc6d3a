import { z } from "zod";
import { parseBody, plainBodyBytesMax } from "../protocol/http.ts";
import type { Exchange } from "./exchange.ts";
import type { Router } from "./router.ts";

const lease = z.string();
const requestSchema = z.discriminatedUnion("step", [
  z.object({ step: z.literal("begin") }),
  z.object({ step: z.literal("renew"), lease }),
  z.object({ step: z.literal("storeCopied"), lease }),
  z.object({ step: z.literal("end"), lease }),
]);

/** For `lenslet backup`, which copies the data folder of a running server (transfer/backupLeases.ts). */
export function addBackupRoutes(router: Router): void {
  router.add("POST", "/api/lenslet/backup", backup);
}

async function backup(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const request = parseBody(requestSchema, await exchange.json(plainBodyBytesMax));
  const { backups } = exchange.options;
  switch (request.step) {
    case "begin":
      exchange.sendJson(JSON.stringify(await backups.begin()));
      return;
    case "renew":
      exchange.sendJson(JSON.stringify({ isIntact: backups.renew(request.lease) }));
      return;
    case "storeCopied":
      exchange.sendJson(JSON.stringify({ isIntact: await backups.storeCopied(request.lease) }));
      return;
    case "end":
      exchange.sendJson(JSON.stringify({ isIntact: await backups.end(request.lease) }));
      return;
  }
}
