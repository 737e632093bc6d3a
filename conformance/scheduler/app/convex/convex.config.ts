import { defineApp } from "convex/server";
import timer from "./timer/convex.config.ts";

const app = defineApp();
app.use(timer);

export default app;
