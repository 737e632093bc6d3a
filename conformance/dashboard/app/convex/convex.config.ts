import { defineApp } from "convex/server";
import notes from "./notes/convex.config.ts";

const app = defineApp();
app.use(notes);

export default app;
