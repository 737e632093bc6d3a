import { httpRouter } from "convex/server";
import { authComponent, createAuth } from "./auth.ts";

const http = httpRouter();

// Everything under /api/auth/. The page is of another origin; only SITE_URL's may call.
authComponent.registerRoutes(http, createAuth, { cors: true });

export default http;
