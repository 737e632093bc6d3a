import { defineApp } from "convex/server";
import shelf from "./shelf/convex.config.ts";

const app = defineApp();
app.use(shelf);
app.use(shelf, { name: "second" });

export default app;
