"use node";
import http from "node:http";
import https, { request as namedRequest } from "node:https";
import { actionGeneric } from "convex/server";

function read(request: http.ClientRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve(text));
    });
    request.end();
  });
}

export const all = actionGeneric({
  handler: async (_ctx, { url }: { url: string }) => {
    const target = new URL(url);
    const agent = new https.Agent({ keepAlive: true });
    const viaOptions = https.request({
      hostname: target.hostname,
      path: "/options?a=1",
      method: "PUT",
      headers: { "x-own": "2" },
      agent,
    });
    return {
      fetch: await (await fetch(`${url}/fetch`)).text(),
      url: await read(https.request(`${url}/url`)),
      options: await read(viaOptions),
      both: await read(
        https.request(new URL(`${url}/both`), { method: "DELETE", headers: { host: "own.example" } }),
      ),
      get: await new Promise((resolve) => {
        https.get(`${url}/get`, (response) => {
          response.setEncoding("utf8").on("data", resolve);
        });
      }),
      named: await read(namedRequest(`${url}/named`)),
      host: viaOptions.host,
    };
  },
});

export const plain = actionGeneric({
  handler: async (_ctx, { url }: { url: string }) => await read(http.request(`${url}/plain`)),
});
