export { closeConvexClient, getConvexClient } from "./client.ts";
